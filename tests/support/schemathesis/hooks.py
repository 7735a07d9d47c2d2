"""What a schema cannot say, for schemathesis: see schemathesis.toml beside this file."""

import base64
import hashlib
import hmac
import os
import time
from datetime import datetime, timedelta, timezone

import schemathesis

SECRET = base64.b64decode(os.environ["PUENTE_TEST_WEBHOOK_SECRET"].removeprefix("whsec_"))


def sign(request):
    """Signs the very bytes that go out, as a store does (Standard Webhooks)."""
    body = request.body or b""
    body = body.encode() if isinstance(body, str) else body
    identifier, moment = "msg_schemathesis", str(int(time.time()))
    signed = f"{identifier}.{moment}.".encode() + body
    signature = base64.b64encode(hmac.new(SECRET, signed, hashlib.sha256).digest()).decode()
    request.headers["webhook-id"] = identifier
    request.headers["webhook-timestamp"] = moment
    request.headers["webhook-signature"] = f"v1,{signature}"
    return request


def within_the_last_year(body):
    """Any time becomes one within the last year: a schema cannot say how long ago that is, and others are refused."""
    try:
        moment = datetime.fromisoformat(body["since"].upper().replace("Z", "+00:00"))
    except (AttributeError, KeyError, TypeError, ValueError):
        return body
    ago = timedelta(days=moment.day, hours=moment.hour, minutes=moment.minute, seconds=moment.second)
    return {**body, "since": (datetime.now(timezone.utc) - ago).isoformat().replace("+00:00", "Z")}


@schemathesis.hook
def before_call(context, case, kwargs):
    if case.operation.path.endswith("/webhook"):
        kwargs["auth"] = sign
    if case.operation.path.endswith("/backfill") and not (case.meta and case.meta.generation.mode.is_negative):
        case.body = within_the_last_year(case.body)


@schemathesis.hook
def filter_case(context, case):
    """An array of orders is taken for its valid ones: what is wrong with one of several is told in its verdict."""
    several = isinstance(case.body, list) and len(case.body) > 1
    return not (several and case.meta is not None and case.meta.generation.mode.is_negative)
