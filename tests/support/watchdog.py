"""Runs a server for a test process and never outlives it.

usage: watchdog.py COMMAND [ARGUMENT ...]

Standard input is a pipe that only the test process holds open. When it closes, because the test is done with the server
or because the test process was killed, the server and its children are killed. Linux's "parent death" signal alone would
not do: it fires when the thread that started the child ends, and every test has its own thread.

WATCHDOG_REMOVES names a directory of the server's own that is removed when it has ended.
"""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import threading
import time


def die_with_parent():
    """Linux only: if the watchdog itself is killed, the server goes too (PR_SET_PDEATHSIG = 1)."""
    try:
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    except (OSError, AttributeError):
        pass


server = subprocess.Popen(
    sys.argv[1:], stdin=subprocess.DEVNULL, start_new_session=True, preexec_fn=die_with_parent)


def watch():
    while os.read(0, 4096):
        pass
    try:
        os.killpg(server.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


threading.Thread(target=watch, daemon=True).start()
status = server.wait() & 0xFF
removed = os.environ.get('WATCHDOG_REMOVES')
# Again, where a child of the server's still wrote while it ended.
for _ in range(20):
    if removed and os.path.exists(removed):
        shutil.rmtree(removed, ignore_errors=True)
        time.sleep(0.05)
sys.exit(status)
