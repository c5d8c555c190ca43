"""Saves through the engine from N threads; run in a process of its own.

Reads a job as JSON on standard input, prints a result as JSON. The kind `bare` is the same save
with no attempt row, no journal and no log line: what the evidence costs is the difference. With the
kind `unlogged` only the line is left out, and what the statement returns for it. With the kind
`rolled` the roller runs beside the saves every ten seconds.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from sqlalchemy import false, select

from engine.clock import FrozenClock
from engine.correlation import make_correlation_id
from engine.database.sql import Statement
from engine.database.target import Target
from engine.quotes.lifecycle import Operation
from engine.rollups.roller import roll
from engine.runtime import Runtime, open_runtime
from engine.saving import statements, write
from engine.saving.answer import Saved
from engine.saving.request import SaveRequest
from engine.settings import Settings
from engine.slo.objectives import LIMITS

# The roller's default interval, and when it runs first: in the middle of it.
_ROLL_EVERY_S: Final = 10.0
_FIRST_ROLL_S: Final = 5.0


def main() -> None:
    """Does the job on standard input."""
    job = json.load(sys.stdin, parse_float=Decimal)
    settings = Settings(data_dir=Path(job["data_dir"]), pool_size=job["workers"])
    target = Target(app=job["app"], owner=job["app"])
    with open_runtime(settings, target) as runtime:
        if job["kind"] == "bare":
            _without_evidence(runtime)
        if job["kind"] == "unlogged":
            _without_line(runtime)
        sys.stdout.write(json.dumps(_run(runtime, job)))


def _run(runtime: Runtime, job: dict[str, Any]) -> dict[str, Any]:
    barrier = threading.Barrier(job["workers"] + 1)
    latencies: list[list[float]] = [[] for _ in range(job["workers"])]
    threads = [
        threading.Thread(target=_worker, args=(runtime, job, number, barrier, latencies[number]))
        for number in range(job["workers"])
    ]
    rolled: list[float] = []
    for thread in threads:
        thread.start()
    barrier.wait()
    started, spent = time.perf_counter(), time.process_time()
    with _rolling(runtime, job, rolled) if job["kind"] == "rolled" else nullcontext():
        for thread in threads:
            thread.join()
    return {
        "seconds": time.perf_counter() - started,
        "cpu": time.process_time() - spent,
        "latencies": [latency for each in latencies for latency in each],
        "rolled_ms": rolled,
    }


@contextmanager
def _rolling(runtime: Runtime, job: dict[str, Any], took_ms: list[float]) -> Iterator[None]:
    """The roller in a thread of its own, at the instant that the ledger takes for the present."""
    clock = FrozenClock(datetime.fromisoformat(job["present"]))
    stop = threading.Event()

    def repeat() -> None:
        wait = _FIRST_ROLL_S
        while not stop.wait(wait):
            began = time.perf_counter()
            with runtime.read_pool.connection() as connection:
                roll(connection, clock, LIMITS)
            took_ms.append((time.perf_counter() - began) * 1e3)
            wait = _ROLL_EVERY_S

    thread = threading.Thread(target=repeat)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _worker(
    runtime: Runtime,
    job: dict[str, Any],
    number: int,
    barrier: threading.Barrier,
    latencies: list[float],
) -> None:
    agent, payload = job["agents"][number], job["payloads"][number]
    created = runtime.saver.save(_request(runtime, agent, Operation.CREATE, None, payload))
    if not isinstance(created, Saved):
        raise SystemExit(created.body().decode())
    quote_id, version = created.quote_id, 1
    for _ in range(20):  # warm: statements prepared, plans made
        version = _update(runtime, agent, quote_id, version, payload)
    warm_until = time.perf_counter() + float(job.get("warm_seconds", 0))
    while time.perf_counter() < warm_until:
        version = _update(runtime, agent, quote_id, version, payload)
    barrier.wait()
    end = time.perf_counter() + float(job["seconds"])
    while (started := time.perf_counter()) < end:
        version = _update(runtime, agent, quote_id, version, payload)
        latencies.append(time.perf_counter() - started)


def _update(
    runtime: Runtime, agent: dict[str, str], quote_id: UUID, version: int, payload: dict[str, Any]
) -> int:
    body = {**payload, "version": version}
    saved = runtime.saver.save(_request(runtime, agent, Operation.UPDATE, quote_id, body))
    if not isinstance(saved, Saved):
        raise SystemExit(saved.body().decode())
    return saved.version


def _request(
    runtime: Runtime,
    agent: dict[str, str],
    operation: Operation,
    quote_id: UUID | None,
    body: dict[str, Any],
) -> SaveRequest:
    attempt_id = runtime.clock.uuid7()
    return SaveRequest(
        operation=operation,
        agent_id=UUID(agent["agent_id"]),
        modified_by=agent["account_id"],
        correlation_id=make_correlation_id(attempt_id),
        attempt_id=attempt_id,
        started_at=runtime.clock.now(),
        received=runtime.clock.monotonic(),
        quote_id=quote_id,
        body=body,
    )


def _without_evidence(runtime: Runtime) -> None:
    """Takes the attempt's row out of the statement, journal and log line out of the save."""

    def whole_save(saved: Any, verdict: Any, *, keyed: bool, has_queue: bool) -> Statement:
        del keyed, has_queue
        revised = statements._insert_from(
            statements._revision, statements._revision_of(saved.c, "saved"), saved
        ).cte("revised")
        return Statement(select(*verdict.c, false().label("is_row_written")).add_cte(revised))

    statements._whole_save = whole_save
    runtime.journal.begin = lambda row: None  # type: ignore[method-assign]  # noqa: ARG005
    runtime.journal.end = lambda attempt_id: None  # type: ignore[method-assign]  # noqa: ARG005
    runtime.lines.ended = lambda row: None  # type: ignore[method-assign]  # noqa: ARG005


def _without_line(runtime: Runtime) -> None:
    """Takes the log line out of the save, and what it needs to know out of the statement."""
    runtime.lines.ended = lambda row: None  # type: ignore[method-assign]  # noqa: ARG005
    for module in (statements, write):
        module.DECIDED = ()  # type: ignore[attr-defined]


if __name__ == "__main__":
    main()
