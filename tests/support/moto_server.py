"""moto's server, with two things mended: its conditional writes are atomic, and so is taking a message from a queue. And with
one thing added: time passes for a queue when a test says so.

usage: moto_server.py PORT

moto answers requests in parallel, and between checking a condition and writing the item another request gets in: of sixteen
conditional updates at once, six "hold". And the item it answers with is the one in its table, not a copy: an update that gets
in before the answer is written is answered to both. DynamoDB serialises what is done to an item, so here it goes one at a
time, and each answer is a copy. Likewise two receivers see that a message is visible before either has taken it, and both get it.

`POST /pass?queues=PREFIX&seconds=N` makes N seconds pass for the messages of every queue whose name begins so. A test that
waited for them itself would be slow, and on a busy machine wrong: more time passes between two calls than it takes them for.
"""

import copy
import functools
import sys
import threading
import time
from urllib.parse import parse_qs

from moto.dynamodb.models import DynamoDBBackend
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.sqs.models import SQSBackend, sqs_backends
from werkzeug.serving import run_simple

writing = threading.RLock()


def one_at_a_time(method):
    @functools.wraps(method)
    def locked(*args, **kwargs):
        with writing:
            return copy.deepcopy(method(*args, **kwargs))

    return locked


for name in ("get_item", "query", "scan", "put_item", "update_item", "delete_item", "transact_write_items"):
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



def pass_time(prefix, seconds):
    with receiving:
        for account in sqs_backends.values():
            for backend in account.values():
                for name, queue in backend.queues.items():
                    for message in queue._messages if name.startswith(prefix) else ():
                        message.visible_at -= seconds * 1000
                        message.delayed_until -= seconds * 1000


moto = DomainDispatcherApplication(create_backend_app)


def application(environ, start_response):
    if environ["PATH_INFO"] != "/pass":
        return moto(environ, start_response)
    asked = parse_qs(environ["QUERY_STRING"])
    pass_time(asked["queues"][0], float(asked["seconds"][0]))
    start_response("204 No Content", [])
    return []


run_simple("127.0.0.1", int(sys.argv[1]), application, threaded=True)
