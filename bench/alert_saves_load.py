"""Saves in one process with the sender of alerts, to receivers that differ from window to window.

Reads a job as JSON on standard input, prints a result as JSON.
"""

from __future__ import annotations

import json
import random
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg_pool import PoolTimeout
from pydantic import SecretStr

from bench.alert_sender import bench_notice
from bench.engine_load import _request, _update
from bench.measure import percentile
from engine.alerting.outbox import entries, put_in
from engine.alerting.sender import Delivery, Sender
from engine.clock import Clock, SystemClock
from engine.database.target import Target
from engine.logs import configure_logs
from engine.quotes.lifecycle import Operation
from engine.runtime import Runtime, open_runtime
from engine.saving.answer import Saved
from engine.settings import Settings
from tests.alerting_receivers import SECRET

# As a worker does it.
_EVERY_S: Final = 1.0
_SETTLED: Final = """
    UPDATE alert_outbox
    SET state = 'dropped', next_at = NULL
    WHERE state IN ('waiting', 'sending', 'not configured')
"""


def main() -> None:
    """Does the job on standard input."""
    configure_logs("json")  # to standard error; the result has the other one for itself
    job = json.load(sys.stdin, parse_float=Decimal)
    settings = Settings(data_dir=Path(job["data_dir"]))
    target = Target(app=job["app"], owner=job["app"])
    with open_runtime(settings, target) as runtime:
        saver = _Saver(runtime, job)
        rounds = []
        chance = random.Random(7)  # noqa: S311  # nothing secret
        for _ in range(job["rounds"]):
            order = list(job["receivers"])
            chance.shuffle(order)  # no kind always has the same one before it
            rounds.append({kind: _window(runtime, saver, job, kind) for kind in order})
        sys.stdout.write(json.dumps(rounds))
        sys.stdout.flush()


class _Saver:
    """One agent that changes one quote over and over."""

    def __init__(self, runtime: Runtime, job: Mapping[str, Any]) -> None:
        self._runtime, self._agent, self._payload = runtime, job["agent"], job["payload"]
        request = _request(runtime, self._agent, Operation.CREATE, None, self._payload)
        created = runtime.saver.save(request)
        if not isinstance(created, Saved):
            raise SystemExit(created.body().decode())
        self._quote_id, self._version = created.quote_id, 1
        for _ in range(200):  # warm: statements prepared, plans made
            self.save()

    def save(self) -> None:
        """Saves once."""
        self._version = _update(
            self._runtime, self._agent, self._quote_id, self._version, self._payload
        )


def _window(runtime: Runtime, saver: _Saver, job: Mapping[str, Any], kind: str) -> dict[str, float]:
    url = job["receivers"][kind]
    with _sending(runtime, url, job["alerts"] if url else 0):
        latencies = []
        end = time.perf_counter() + float(job["seconds"])
        while (started := time.perf_counter()) < end:
            saver.save()
            latencies.append((time.perf_counter() - started) * 1e3)
    latencies.sort()
    with psycopg.connect(runtime.target.app, autocommit=True) as connection:
        row = connection.execute(
            "SELECT count(*) FILTER (WHERE state = 'delivered'), sum(tries) FROM alert_outbox"
            " WHERE state IN ('waiting', 'sending', 'delivered')"
        ).fetchone()
        connection.execute(_SETTLED)
        connection.execute("UPDATE alert_outbox SET state = 'dropped' WHERE state = 'delivered'")
    return {
        "saves": len(latencies),
        "p50_ms": percentile(latencies, 0.5),
        "p95_ms": percentile(latencies, 0.95),
        "p99_ms": percentile(latencies, 0.99),
        "delivered": float(row[0]) if row else 0.0,
        "tries": float(row[1] or 0) if row else 0.0,
    }


@contextmanager
def _sending(runtime: Runtime, url: str | None, alerts: int) -> Iterator[None]:
    clock = SystemClock()
    settings = Settings(
        data_dir=runtime.settings.data_dir,
        alert_webhook_url=None if url is None else SecretStr(url),
        alert_webhook_secret=SecretStr(SECRET),
    )
    sender = Sender(settings, runtime.target, clock)
    _put(runtime, clock, alerts)
    stop = threading.Event()
    threads = [
        threading.Thread(target=_deliver, args=(each, stop), daemon=True)
        for each in sender.deliveries
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()  # one that hangs ends when its patience does


def _deliver(delivery: Delivery, stop: threading.Event) -> None:
    while not stop.is_set():
        try:
            delivery.run()
        except (psycopg.Error, PoolTimeout) as error:
            sys.stderr.write(f"{type(error).__name__}\n")
        stop.wait(_EVERY_S)
    delivery.end()


def _put(runtime: Runtime, clock: Clock, alerts: int) -> None:
    with psycopg.connect(runtime.target.app) as connection:
        for _ in range(alerts):
            number = clock.uuid7().int
            put_in(connection, entries(bench_notice(number, clock), ["webhook"], clock.now()))


if __name__ == "__main__":
    main()
