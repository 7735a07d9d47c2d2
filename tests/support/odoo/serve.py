"""Runs a throw-away PostgreSQL and, while that answers, one command beside it. Both end with this process, however it ends.

usage: serve.py POSTGRES-PROGRAMS DIRECTORY COMMAND [ARGUMENT ...]

DIRECTORY/pg is the cluster, made when it is not there. It listens on no port, only on the socket DIRECTORY/.s.PGSQL.5432.
PostgreSQL does not run as root: then it runs as `nobody`, to whom the directory is given.
"""

import ctypes
import os
import pathlib
import pwd
import signal
import subprocess
import sys
import time

programs, directory = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
cluster = directory / 'pg'
# Nothing here outlives a test, so nothing waits for a disk, and little is kept that copying would carry along.
SETTINGS = {
    'listen_addresses': '', 'unix_socket_directories': str(directory), 'fsync': 'off', 'synchronous_commit': 'off',
    'full_page_writes': 'off', 'wal_level': 'minimal', 'max_wal_senders': '0', 'min_wal_size': '32MB', 'max_wal_size': '64MB',
    'jit': 'off', 'autovacuum': 'off', 'max_connections': '100',
}


def die_with_parent():
    """Linux only: a kill that this process does not see takes its children too (PR_SET_PDEATHSIG = 1)."""
    try:
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    except (OSError, AttributeError):
        pass


def as_postgres():
    """The user PostgreSQL runs as, and the environment of its programs."""
    environment = {**os.environ, 'HOME': str(directory), 'TZ': 'UTC'}
    # A PostgreSQL that was unpacked beside the system's has its libraries beside it: …/usr/lib/postgresql/17/bin, …/usr/lib/*-linux-gnu.
    libraries = [] if programs.is_relative_to('/usr') else list(programs.parents[2].glob('*-linux-gnu'))
    if libraries:
        environment['LD_LIBRARY_PATH'] = ':'.join(map(str, libraries))
    user = {}
    if os.geteuid() == 0:
        nobody = pwd.getpwnam('nobody')
        user = {'user': nobody.pw_uid, 'group': nobody.pw_gid, 'extra_groups': []}
    return {'env': environment, 'cwd': directory, 'stdin': subprocess.DEVNULL, **user}


options = as_postgres()
if 'user' in options:
    os.chown(directory, options['user'], options['group'])
    directory.chmod(0o755)
if not cluster.exists():
    subprocess.run(
        [programs / 'initdb', '-D', cluster, '-U', 'odoo', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync'],
        stdout=subprocess.DEVNULL, check=True, **options)
postgres = subprocess.Popen(
    [programs / 'postgres', '-D', cluster, *(word for name, value in SETTINGS.items() for word in ('-c', f'{name}={value}'))],
    preexec_fn=die_with_parent, **options)
socket = directory / '.s.PGSQL.5432'
begun = time.monotonic()
while not socket.exists():
    if postgres.poll() is not None or time.monotonic() - begun > 60:
        sys.exit('PostgreSQL did not start')
    time.sleep(0.02)

command = subprocess.Popen(sys.argv[3:], preexec_fn=die_with_parent)
status = command.wait()
# The fast way of stopping, with a checkpoint: what was set up is copied from the files.
postgres.send_signal(signal.SIGINT)
postgres.wait()
sys.exit(status)
