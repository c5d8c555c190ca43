"""What a rate limit costs a save: the same call with a limit and without, in pairs.

    python -m bench.limits [--seconds 4] [--rounds 7] [--workers 1,8]

From the gate to the answer, without the wire. *apart*: each worker is an agent of its own with a
limit that is never reached; *together*: all of them are one agent, whose one row they share. A
ratio is the median of the rounds' ratios to *none*; the order changes from round to round.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import tempfile
import threading
from pathlib import Path
from typing import Final

import psutil

from bench.measure import cpu_of, machine, spent_by, spent_by_server
from bench.payload import quote_payload
from bench.savers import Worker, make_workers
from engine.access.rate_limits import RateLimits
from engine.api.exchange import Exchange
from engine.api.gate import Gate
from engine.api.writes import Writes
from engine.clock import SystemClock
from engine.correlation import make_correlation_id
from engine.database.migrate import owner_engine
from engine.payload import encode
from engine.quotes.lifecycle import Operation
from engine.runtime import Runtime, open_database, open_runtime
from engine.settings import Settings

_KINDS: Final = ("none", "apart", "together")
# Never reached, so that every save is one.
_LIMIT: Final = 1_000_000
_CLOCK: Final = SystemClock()


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--workers", default="1,8")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="saveguard-bench-") as directory:
        root = Path(directory)
        root.chmod(0o755)
        settings = Settings(data_dir=root)
        target = open_database(settings, _CLOCK)
        print(machine())
        with open_runtime(settings, target) as runtime:
            for workers in map(int, given.workers.split(",")):
                _compare(runtime, workers, given.rounds, given.seconds)


def _compare(runtime: Runtime, workers: int, rounds: int, seconds: float) -> None:
    free, limited = (make_workers(runtime.target.app, _CLOCK, workers) for _ in range(2))
    with owner_engine(runtime.target.app).begin() as connection:
        connection.exec_driver_sql(
            "UPDATE agent SET rate_limit_per_minute = %s WHERE id = ANY (%s::uuid[])",
            (_LIMIT, [each.agent_id for each in limited]),
        )
    callers = {"none": free, "apart": limited, "together": limited[:1] * workers}
    measured: list[dict[str, tuple[float, float, float]]] = []
    for number in range(rounds):
        order = _KINDS[number % 3 :] + _KINDS[: number % 3]
        measured.append({kind: _run(runtime, callers[kind], seconds) for kind in order})
    for place, what in enumerate(("saves a second", "CPU of the engine", "CPU of the server")):
        for kind in _KINDS[1:]:
            ratios = [each[kind][place] / each["none"][place] for each in measured]
            print(f"{workers} at once, {kind}: {what} x {statistics.median(ratios):.3f}")
    plain = statistics.median(each["none"][0] for each in measured)
    print(f"{workers} at once, none: {plain:.0f} saves a second")


def _run(runtime: Runtime, callers: list[Worker], seconds: float) -> tuple[float, float, float]:
    """Saves a second; CPU seconds of this process and of the server for each."""
    settings, clock = runtime.settings, runtime.clock
    gate = Gate(runtime.identities, RateLimits(clock), runtime.save_pool, settings, clock)
    writes = Writes(runtime.saver, gate, settings, lambda _id, error: print(error))
    until, saves = clock.monotonic() + seconds, itertools.count()

    def save(caller: Worker) -> None:
        body = encode(quote_payload(caller.client_id))
        while clock.monotonic() < until:
            answer = writes.answer(_exchange(caller, body), Operation.CREATE, None)
            if answer.status != 201:  # noqa: PLR2004
                raise SystemExit(f"a save was answered with {answer.status}: {answer.body!r}")
            next(saves)

    threads = [threading.Thread(target=save, args=(caller,)) for caller in callers]
    with (
        cpu_of(spent_by(psutil.Process())) as engine,
        cpu_of(spent_by_server(_data(runtime))) as server,
    ):
        began = clock.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        passed = clock.monotonic() - began
    count = next(saves)
    return count / passed, engine.seconds / count, server.seconds / count


def _data(runtime: Runtime) -> Path:
    cluster = runtime.target.cluster
    if cluster is None:
        raise SystemExit("only the embedded server's CPU can be told")
    return cluster.data


def _exchange(caller: Worker, body: bytes) -> Exchange:
    attempt_id = _CLOCK.uuid7()
    return Exchange(
        method="POST",
        path="/api/agents/quotes",
        query_string=b"",
        headers={
            "authorization": f"Bearer {caller.api_key}",
            "content-type": "application/json",
        },
        body=body,
        correlation_id=make_correlation_id(attempt_id),
        traceparent=None,
        attempt_id=attempt_id,
        started_at=_CLOCK.now(),
        address="127.0.0.1",
        received=_CLOCK.monotonic(),
    )


if __name__ == "__main__":
    main()
