"""A lean HTTP client that saves from N connections; run in a process of its own.

Plain sockets on uvloop: a full client library would cost as much CPU as the server under test.
Reads a job as JSON on standard input, prints a result as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

import uvloop

_CREATE_EVERY = 5  # 80 % update, 20 % create


class Connection:
    """One keep-alive connection, one request at a time."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes
    ) -> None:
        self._reader, self._writer, self._head = reader, writer, head

    async def call(self, method: bytes, path: bytes, body: bytes = b"") -> tuple[int, bytes]:
        """Sends a request and reads its answer: status and body."""
        self._writer.write(
            b"%s %s HTTP/1.1\r\n%sContent-Length: %d\r\n\r\n"
            % (method, path, self._head, len(body))
            + body
        )
        head = await self._reader.readuntil(b"\r\n\r\n")
        at = head.lower().index(b"content-length:") + 15
        length = int(head[at : head.index(b"\r\n", at)])
        return int(head[9:12]), await self._reader.readexactly(length)


async def connect(port: int, header: str) -> Connection:
    """Opens a connection to a local server that is sent `header` with every request."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"Host: 127.0.0.1\r\nContent-Type: application/json\r\n{header}".encode()
    return Connection(reader, writer, head)


def quote_id_of(answer: bytes) -> bytes:
    """The quote's id in the answer of a create."""
    at = answer.index(b'"quoteId":"') + 11
    return answer[at : answer.index(b'"', at)]


async def _save(job: dict[str, Any], number: int, end: float, latencies: list[float]) -> None:
    connection = await connect(job["port"], job["headers"][number])
    payload = json.dumps(job["payloads"][number]).encode()
    root = b"/api/agents/quotes"
    quote_id, version = b"", 0
    turn = number
    while time.perf_counter() < end:
        turn += 1
        started = time.perf_counter()
        if not quote_id or turn % _CREATE_EVERY == 0:
            status, answer = await connection.call(b"POST", root, payload)
            expected = 201
            if status == expected:
                quote_id, version = quote_id_of(answer), 1
        else:
            body = payload[:-1] + b',"version":%d}' % version
            status, answer = await connection.call(b"PATCH", root + b"/" + quote_id, body)
            expected, version = 200, version + 1
        if status != expected:
            raise SystemExit(f"status {status}: {answer[:200]!r}")
        latencies.append(time.perf_counter() - started)


async def _run(job: dict[str, Any]) -> dict[str, Any]:
    latencies: list[float] = []
    started = time.perf_counter()
    end = started + job["seconds"]
    await asyncio.gather(*(_save(job, number, end, latencies) for number in range(job["workers"])))
    return {"seconds": time.perf_counter() - started, "latencies": latencies}


async def _hot(job: dict[str, Any]) -> dict[str, Any]:
    """Every worker reads one quote and saves it from the version that it read."""
    path = f"/api/agents/quotes/{job['quote_id']}".encode()
    acknowledged = 0

    async def work(number: int) -> int:
        connection = await connect(job["port"], job["headers"][0])
        saved = 0
        for turn in range(job["rounds"]):
            _, answer = await connection.call(b"GET", path)
            version = json.loads(answer)["quote"]["version"]
            body = json.dumps({"version": version, "agentNotes": f"{number}-{turn}"}).encode()
            status, _ = await connection.call(b"PATCH", path, body)
            saved += status == 200  # noqa: PLR2004
        return saved

    acknowledged = sum(await asyncio.gather(*map(work, range(job["workers"]))))
    connection = await connect(job["port"], job["headers"][0])
    _, answer = await connection.call(b"GET", path)
    return {"acknowledged": acknowledged, "version": json.loads(answer)["quote"]["version"]}


def main() -> None:
    """Does the job on standard input."""
    job = json.load(sys.stdin)
    work = _hot if job.get("quote_id") else _run
    sys.stdout.write(json.dumps(uvloop.run(work(job))))


if __name__ == "__main__":
    main()
