"""The background work of a process.

A process that saves looks after itself: nobody else may empty its journal while it lives, knows
what its edge has counted, and it may be the only one that uses the embedded server. Everything
else (expiring, reaping, rolling, making partitions and dropping them) is done by whoever comes.
It watches, too: whoever evaluates the alert rules cannot say that it is dead.
Every job is safe to run in several processes at once; expiring, rolling, evaluating alert rules,
and what is done for releases (sealing their records, looking at live boxes again, putting down what
contradicts) are kept to one by a lock, so that two do not race for the same rows.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Final

import psycopg
import structlog
from psycopg_pool import PoolTimeout
from sqlalchemy.exc import DBAPIError

from engine.access.limit_storage import reap as reap_limits
from engine.access.sign_ins import forget_old as forget_old_sign_ins
from engine.alerting.channels.opening import open_channels
from engine.alerting.evaluator import Evaluator
from engine.alerting.heartbeat import Heartbeat
from engine.alerting.outage import OutageTeller
from engine.alerting.outage_file import OutageFile, outage_directory
from engine.alerting.records import forget_old_ticks
from engine.alerting.sender import Sender
from engine.alerting.spool_watch import SpoolWatch
from engine.alerting.watchdog import Watchdog
from engine.attempts.line_counts import forget_old
from engine.attempts.line_recount import Recount
from engine.attempts.partitions import ensure_partitions, strays
from engine.database.pool import EngineConnection
from engine.errors import SetupError
from engine.logs import report
from engine.readiness.watching import look_again, note_contradictions, seal
from engine.rollups.retention import drop_due
from engine.rollups.roller import roll
from engine.runtime import PROCESS_LOG, Runtime, log_file
from engine.saving import idempotency
from engine.saving.expiry import expire_due
from engine.slo.objectives import LIMITS

_REVIVE_EVERY: Final = timedelta(seconds=3)
_EDGE_EVERY: Final = timedelta(seconds=1)
_KEY_USES_EVERY: Final = timedelta(seconds=10)
_RECOUNT_EVERY: Final = timedelta(seconds=10)
_LOGS_EVERY: Final = timedelta(hours=1)
_EXPIRE_EVERY: Final = timedelta(seconds=30)
_REAP_EVERY: Final = timedelta(minutes=5)
_PARTITIONS_EVERY: Final = timedelta(hours=1)
_SEAL_EVERY: Final = timedelta(seconds=10)
# What was put in behind the seals: it takes an anti-join of all records to find.
_SEAL_LATE_EVERY: Final = timedelta(hours=1)
# Evidence that lasts 5 minutes is taken anew after 2.
_LOOK_EVERY: Final = timedelta(minutes=1)
_NOTE_EVERY: Final = timedelta(minutes=1)
# Asking whether a tick is due, or whether there is one to tell of, costs nothing until then.
_TICK_POLL: Final = timedelta(milliseconds=500)
# Twice an interval: what is not there for two of them is seen within two and a half.
_LOOKS_AN_INTERVAL: Final = 2
_SEND_EVERY: Final = timedelta(seconds=1)
# Locks give up after seconds; only a line that has fallen silent takes all of it. Dropping counts
# the rows of a day first.
_PARTITIONS_S: Final = 60.0
_RETENTION_S: Final = 600.0
# A run takes milliseconds; the first one, on a ledger that was there before, counts all of it.
_ROLL_S: Final = 3600.0
# A job that does not end must not keep its process from ending.
_LEAVE_S: Final = 15.0


@dataclass(frozen=True, slots=True)
class Job:
    """Something done again and again.

    Attributes:
        name: for the logs.
        interval: from the end of one run to the start of the next.
        run: does it once; returns how much there was to do.
        is_routine: whether having had something to do is no news.
        runs_at_end: whether it runs once more when its process ends.
        at_end: lets go of what it has held between runs.
    """

    name: str
    interval: timedelta
    run: Callable[[], int]
    is_routine: bool = False
    runs_at_end: bool = False
    at_end: Callable[[], None] = lambda: None


def own_jobs(runtime: Runtime) -> tuple[Job, ...]:
    """What a process that saves does for itself."""
    return (
        Job("server", _REVIVE_EVERY, lambda: _revive(runtime)),
        Job("sweep", runtime.settings.sweep_interval, lambda: sum(runtime.sweeper.sweep())),
        Job(
            "edge",
            _EDGE_EVERY,
            lambda: _store_counts(runtime),
            is_routine=True,
            runs_at_end=True,
        ),
        Job(
            "key uses",
            _KEY_USES_EVERY,
            lambda: _store_key_uses(runtime),
            is_routine=True,
            runs_at_end=True,
        ),
        Job(
            "recount",
            _RECOUNT_EVERY,
            partial(_recount, runtime, Recount(runtime.lines.file.directory)),
        ),
        Job("logs", _LOGS_EVERY, lambda: _tidy_logs(runtime)),
        _watching(runtime),
        # Whoever notices that the worker is dead has to be heard.
        *_sending(runtime),
    )


def all_jobs(runtime: Runtime) -> tuple[Job, ...]:
    """The jobs of a worker."""
    return (
        *own_jobs(runtime),
        Job("expire", _EXPIRE_EVERY, lambda: _expire(runtime)),
        Job("reap", _REAP_EVERY, lambda: _reap(runtime)),
        Job("roll", runtime.settings.roll_interval, lambda: _roll(runtime), is_routine=True),
        Job("partitions", _PARTITIONS_EVERY, partial(_make_partitions, runtime, StrayWatch())),
        Job("seal", _SEAL_EVERY, partial(seal, runtime), is_routine=True, runs_at_end=True),
        Job("seal late", _SEAL_LATE_EVERY, partial(seal, runtime, is_whole=True)),
        Job("look", _LOOK_EVERY, partial(look_again, runtime), is_routine=True),
        Job("contradictions", _NOTE_EVERY, partial(note_contradictions, runtime)),
        Job("retention", _PARTITIONS_EVERY, lambda: _drop_old_days(runtime)),
        *_evaluating(runtime),
    )


class StrayWatch:
    """Warns of attempts in the ledger's default partition: once, and again when they get more."""

    def __init__(self) -> None:
        self._known = 0

    def saw(self, attempts: int) -> None:
        """Takes note of how many there are."""
        if attempts > self._known:
            structlog.get_logger().warning(
                "default_partition_used", attempts=attempts, before=self._known
            )
        self._known = attempts


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
    is_failing = False
    while True:
        is_failing = _run(job, was_failing=is_failing)
        if stop.wait(job.interval.total_seconds()):
            break
    if job.runs_at_end:
        _run(job, was_failing=is_failing)
    job.at_end()


def _run(job: Job, *, was_failing: bool) -> bool:
    """Runs a job once; whether it failed."""
    log = structlog.get_logger().bind(job=job.name)
    try:
        done = job.run()
    except (psycopg.Error, DBAPIError, PoolTimeout, OSError, SetupError) as error:
        if not was_failing:  # once for each outage, not once for each try
            log.warning("job_failed", error=type(error).__name__)
        return True
    except Exception as error:  # noqa: BLE001  # a job that dies would never run again
        report(job.name, error)
        return was_failing
    if done and not job.is_routine:
        log.info("job_done", count=done)
    return False


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
        now = runtime.clock.now()
        return (
            idempotency.reap(connection, now)
            + forget_old_sign_ins(connection, now)
            + reap_limits(connection)
        )


def _store_counts(runtime: Runtime) -> int:
    """Stores what the edge and the log have counted, in this order.

    Killed in between, a minute of an edge stands there without lines: such a one is not judged.
    """
    edge, lines = runtime.edge_counts, runtime.lines.counts
    if edge is not None:
        lines.note(edge)
    counts = [each for each in (edge, lines) if each is not None and each.has_news]
    if not counts:
        return 0
    with runtime.read_pool.connection() as connection:
        return sum(each.store(connection, runtime.clock.now()) for each in counts)


def _store_key_uses(runtime: Runtime) -> int:
    uses = runtime.identities.uses
    if not uses.has_news:
        return 0
    with runtime.read_pool.connection() as connection:
        return uses.store(connection)


def _recount(runtime: Runtime, recount: Recount) -> int:
    with runtime.read_pool.connection() as connection:
        return recount.run(connection, runtime.clock.now())


def _tidy_logs(runtime: Runtime) -> int:
    """Removes old log files of every kind: dead processes come back for none of theirs."""
    settings, clock = runtime.settings, runtime.clock
    others = log_file(settings, clock, PROCESS_LOG, clock.uuid7())  # makes no file
    return runtime.lines.file.tidy() + others.tidy()


def _roll(runtime: Runtime) -> int:
    deadline = runtime.clock.monotonic() + _ROLL_S
    with runtime.read_pool.connection(deadline) as connection:
        return roll(connection, runtime.clock, LIMITS) or 0


def _watching(runtime: Runtime) -> Job:
    interval, watchdog = runtime.settings.alert_interval / _LOOKS_AN_INTERVAL, _watchdog(runtime)
    return Job("watchdog", interval, watchdog.run, is_routine=True, at_end=watchdog.end)


def _watchdog(runtime: Runtime) -> Watchdog:
    settings, clock = runtime.settings, runtime.clock
    file = OutageFile(outage_directory(settings, runtime.journal.directory))
    return Watchdog(
        runtime.alert_pool,
        settings,
        clock,
        spool=SpoolWatch(runtime.journal),
        file=file,
        teller=OutageTeller(file, open_channels(settings, clock), settings, clock),
    )


def _evaluating(runtime: Runtime) -> Iterator[Job]:
    """The evaluator, and beside it the heartbeat: a slow watcher outside delays no tick."""
    pool, settings, clock = runtime.alert_pool, runtime.settings, runtime.clock
    heartbeat = Heartbeat(pool, settings, clock)
    evaluator = Evaluator(
        pool, settings, clock, settled=_watchdog(runtime).settle, after=heartbeat.beat
    )
    yield Job("alerts", _TICK_POLL, evaluator.run, is_routine=True)
    yield Job("heartbeat", _TICK_POLL, heartbeat.run, is_routine=True)


def _sending(runtime: Runtime) -> Iterator[Job]:
    """A job for each channel, so that none waits for another."""
    sender = Sender(runtime.settings, runtime.target, runtime.clock)
    for each in sender.deliveries:
        name = f"alerts to {each.channel.name}"
        yield Job(name, _SEND_EVERY, each.run, is_routine=True, at_end=each.end)


def _make_partitions(runtime: Runtime, watch: StrayWatch) -> int:
    with EngineConnection.connect(runtime.target.owner, autocommit=True) as connection:
        connection.deadline = runtime.clock.monotonic() + _PARTITIONS_S
        made = ensure_partitions(connection, runtime.clock.now())
        watch.saw(strays(connection))
        return len(made)


def _drop_old_days(runtime: Runtime) -> int:
    keep = timedelta(days=runtime.settings.retention_days)
    with EngineConnection.connect(runtime.target.owner, autocommit=True) as connection:
        connection.deadline = runtime.clock.monotonic() + _RETENTION_S
        forget_old(connection, runtime.clock.now())
        forget_old_ticks(connection, runtime.clock.now())
        return len(drop_due(connection, runtime.clock.now(), keep))
