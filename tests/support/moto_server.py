"""moto's server, with two things mended: its conditional writes are atomic, and so is taking a message from a queue.

usage: moto_server.py PORT

moto answers requests in parallel, and between checking a condition and writing the item another request gets in: of sixteen
conditional updates at once, six "hold". DynamoDB serialises the writes of an item, so here they go one at a time. Likewise
two receivers see that a message is visible before either has taken it, and both get it.
"""

import functools
import sys
import threading
import time

from moto.dynamodb.models import DynamoDBBackend
from moto.server import main
from moto.sqs.models import SQSBackend

writing = threading.RLock()


def one_at_a_time(method):
    @functools.wraps(method)
    def locked(*args, **kwargs):
        with writing:
            return method(*args, **kwargs)

    return locked


for name in ("put_item", "update_item", "delete_item", "transact_write_items"):
    setattr(DynamoDBBackend, name, one_at_a_time(getattr(DynamoDBBackend, name)))

receiving = threading.RLock()
take = SQSBackend.receive_message


def receive(self, queue_name, count, wait, *more):
    """A long poll as many short ones: nobody waits for a message while holding up the others."""
    until = time.monotonic() + wait
    while True:
        with receiving:
            taken = take(self, queue_name, count, 0, *more)
        if taken or time.monotonic() >= until:
            return taken
        time.sleep(0.05)


SQSBackend.receive_message = receive

main(["-H", "127.0.0.1", "-p", sys.argv[1]])
