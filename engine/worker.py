"""The background work of a process: reviving, sweeping, expiring, reaping, making partitions.

A process that saves does the first two itself: nobody else may empty its journal while it lives,
and it may be the only one that uses the embedded server. The others are done by whoever comes.
Every job is safe to run in several processes at once; expiring is kept to one by a lock, so that
two do not race for the same quote and fill the ledger with conflicts.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import psycopg
import structlog
from psycopg_pool import PoolTimeout

from engine.attempts.partitions import ensure_partitions
from engine.database.pool import EngineConnection
from engine.errors import SetupError
from engine.logs import report
from engine.runtime import Runtime
from engine.saving import idempotency
from engine.saving.expiry import expire_due

_REVIVE_EVERY: Final = timedelta(seconds=3)
_EXPIRE_EVERY: Final = timedelta(seconds=30)
_REAP_EVERY: Final = timedelta(minutes=5)
_PARTITIONS_EVERY: Final = timedelta(hours=1)
# Locks give up after seconds; only a line that has fallen silent takes all of it.
_PARTITIONS_S: Final = 60.0
# A job that does not end must not keep its process from ending.
_LEAVE_S: Final = 15.0


@dataclass(frozen=True, slots=True)
class Job:
    """Something done again and again.

    Attributes:
        name: for the logs.
        interval: from the end of one run to the start of the next.
        run: does it once; returns how much there was to do.
    """

    name: str
    interval: timedelta
    run: Callable[[], int]


def own_jobs(runtime: Runtime) -> tuple[Job, ...]:
    """What a process that saves does for itself."""
    return (
        Job("server", _REVIVE_EVERY, lambda: _revive(runtime)),
        Job("sweep", runtime.settings.sweep_interval, lambda: sum(runtime.sweeper.sweep())),
    )


def all_jobs(runtime: Runtime) -> tuple[Job, ...]:
    """The jobs of a worker."""
    return (
        *own_jobs(runtime),
        Job("expire", _EXPIRE_EVERY, lambda: _expire(runtime)),
        Job("reap", _REAP_EVERY, lambda: _reap(runtime)),
        Job("partitions", _PARTITIONS_EVERY, lambda: _make_partitions(runtime)),
    )


@contextmanager
def open_worker(
    runtime: Runtime, jobs_of: Callable[[Runtime], tuple[Job, ...]] = all_jobs
) -> Iterator[None]:
    """Runs jobs, each in a thread of its own, until the block ends."""
    stop = threading.Event()
    threads = [
        threading.Thread(target=_repeat, args=(job, stop), name=job.name, daemon=True)
        for job in jobs_of(runtime)
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(_LEAVE_S)


def _repeat(job: Job, stop: threading.Event) -> None:
    log = structlog.get_logger().bind(job=job.name)
    is_failing = False
    while True:
        try:
            done = job.run()
        except (psycopg.Error, PoolTimeout, OSError, SetupError) as error:
            if not is_failing:  # once for each outage, not once for each try
                log.warning("job_failed", error=type(error).__name__)
            is_failing = True
        except Exception as error:  # noqa: BLE001  # a job that dies would never run again
            report(job.name, error)
        else:
            is_failing = False
            if done:
                log.info("job_done", count=done)
        if stop.wait(job.interval.total_seconds()):
            return


def _revive(runtime: Runtime) -> int:
    """Starts the embedded server again when it has died; another server is not ours to start.

    It asks for itself: a pool finds out only when somebody needs a new connection, and nobody is
    sent to a process whose /readyz says that it cannot save.
    """
    cluster = runtime.target.cluster
    if cluster is None or cluster.is_answering():
        return 0
    cluster.start()
    return 1


def _expire(runtime: Runtime) -> int:
    return expire_due(runtime.read_pool, runtime.saver, runtime.clock)


def _reap(runtime: Runtime) -> int:
    with runtime.read_pool.connection() as connection:
        return idempotency.reap(connection, runtime.clock.now())


def _make_partitions(runtime: Runtime) -> int:
    with EngineConnection.connect(runtime.target.owner, autocommit=True) as connection:
        connection.deadline = runtime.clock.monotonic() + _PARTITIONS_S
        return len(ensure_partitions(connection, runtime.clock.now()))
