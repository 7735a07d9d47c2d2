"""moto's server, with one thing mended: its conditional writes are atomic.

usage: moto_server.py PORT

moto answers requests in parallel, and between checking a condition and writing the item another request gets in: of sixteen
conditional updates at once, six "hold". DynamoDB serialises the writes of an item, so here they go one at a time.
"""

import functools
import sys
import threading

from moto.dynamodb.models import DynamoDBBackend
from moto.server import main

writing = threading.RLock()


def one_at_a_time(method):
    @functools.wraps(method)
    def locked(*args, **kwargs):
        with writing:
            return method(*args, **kwargs)

    return locked


for name in ("put_item", "update_item", "delete_item", "transact_write_items"):
    setattr(DynamoDBBackend, name, one_at_a_time(getattr(DynamoDBBackend, name)))

main(["-H", "127.0.0.1", "-p", sys.argv[1]])
