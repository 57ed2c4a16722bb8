"""What the Python clients share: commands in, answers out, records as lines of JSON (see conformance/README.md)."""

import json
import sys
import threading
import time

WAIT_S = 60


class Refused(Exception):
    """The broker answered with an error code."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


class Unsupported(Exception):
    """The library cannot do it."""


def unhex(text):
    return None if text is None else bytes.fromhex(text)


def enhex(data):
    return None if data is None else bytes(data).hex()


def read_records(path):
    with open(path) as lines:
        for line in lines:
            record = json.loads(line)
            yield (
                unhex(record["key"]),
                unhex(record["value"]),
                [(name, unhex(value)) for name, value in record["headers"]],
                record["timestamp"],
            )


def write_records(path, records):
    """Each record is (offset, timestamp, key, value, headers)."""
    with open(path, "w") as out:
        for offset, timestamp, key, value, headers in records:
            line = {
                "offset": offset,
                "timestamp": timestamp,
                "key": enhex(key),
                "value": enhex(value),
                "headers": [[name, enhex(data)] for name, data in headers],
            }
            out.write(json.dumps(line) + "\n")


def measure_wake(send, poll_once):
    """Milliseconds from `send()` to the moment `poll_once()` has a record, with the poll already waiting."""
    sent = []

    def later():
        time.sleep(1.5)
        sent.append(time.monotonic())
        send()

    thread = threading.Thread(target=later)
    thread.start()
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        if poll_once():
            got = time.monotonic()
            thread.join()
            return int((got - sent[0]) * 1000)
    raise TimeoutError("no record arrived")


def run(client):
    """`client` is called with the bootstrap address; its methods are the commands."""
    bootstrap, commands = sys.argv[1], sys.argv[2:]
    peer = client(bootstrap)
    for line in commands or sys.stdin:
        try:
            command = json.loads(line)
            answer = {"ok": True, **(getattr(peer, command.pop("do"))(**command) or {})}
        except Unsupported as error:
            answer = {"ok": False, "unsupported": str(error)}
        except Exception as error:  # whatever went wrong is the answer
            text = f"{type(error).__name__}: {error}"
            answer = {"ok": False, "code": getattr(error, "code", None), "error": text}
        print(json.dumps(answer), flush=True)
