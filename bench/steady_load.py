"""A light, steady load of saves over HTTP, until it is told to stop; run in a process of its own.

Reads a job as one line of JSON on standard input. Most saves succeed; every tenth comes with a
version of yesterday and every twenty-fifth with a quote that is not valid, so that pages have
something to say of errors.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any, Final

import uvloop

from bench.http_load import connect, quote_id_of

_CREATE_EVERY: Final = 20
_STALE_EVERY: Final = 10
_INVALID_EVERY: Final = 25
_ROOT: Final = b"/api/agents/quotes"
_CREATED, _SAVED, _SERVER_ERROR = 201, 200, 500


async def _run(job: dict[str, Any]) -> None:
    connection = await connect(job["port"], job["header"])
    payload = json.dumps(job["payload"]).encode()
    quote_id, version = b"", 0
    loop = asyncio.get_running_loop()
    due, turn = loop.time(), 0
    while True:
        turn += 1
        if not quote_id or turn % _CREATE_EVERY == 0:
            status, answer = await connection.call(b"POST", _ROOT, payload)
            if status == _CREATED:
                quote_id, version = quote_id_of(answer), 1
        else:
            body = _changed(payload, version, turn)
            status, answer = await connection.call(b"PATCH", _ROOT + b"/" + quote_id, body)
            version += status == _SAVED
        if status >= _SERVER_ERROR:
            raise SystemExit(f"status {status}: {answer[:200]!r}")
        due += 1 / job["per_second"]
        await asyncio.sleep(max(due - loop.time(), 0))


def _changed(payload: bytes, version: int, turn: int) -> bytes:
    if turn % _STALE_EVERY == 0:
        version = max(version - 1, 1)
    if turn % _INVALID_EVERY == 0:
        payload = payload.replace(b'"adults": 2', b'"adults": -2')
    return payload[:-1] + b',"version":%d}' % version


def main() -> None:
    """Does the job on standard input."""
    uvloop.run(_run(json.loads(sys.stdin.readline())))


if __name__ == "__main__":
    main()
