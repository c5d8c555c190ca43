"""The watchdog: every process that serves watches what cannot speak for itself any more.

The evaluator cannot say that it is dead, and nobody can write while the database is away. So each
process looks by itself at the age of the last tick, tells of what only it can see (its own spool),
and tells straight to the channels when the database does not answer.

An evaluator that stands still is told by the same means as everything else: the watchdog decides
about that one rule as a tick would, outside of any tick but under its lock, so that one process
tells it, once, and again when the repeat interval is over.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

import psycopg
import structlog
from psycopg_pool import PoolTimeout

from engine.alerting import records
from engine.alerting.evaluator import RulesOf, put_down
from engine.alerting.judging import judge, no_evidence
from engine.alerting.measuring import Moved, Readings
from engine.alerting.outage import OutageTeller
from engine.alerting.outage_file import OutageFile
from engine.alerting.outage_return import settle
from engine.alerting.remembered import LastTick, last_tick, remembered
from engine.alerting.rules import Rule, Standstill, Watched
from engine.alerting.rules_in_force import read_rules_in_force
from engine.alerting.spool_watch import SpoolWatch
from engine.alerting.ticking import Newest, newest
from engine.clock import Clock
from engine.database.pool import Pool
from engine.settings import Settings

# A database that takes longer than this for a row by its key is no help to anybody.
_PATIENCE_S: Final = 5.0
# As many intervals as the evaluator may miss: a process that has just started knows nothing yet.
_INTERVALS: Final = 2
# Twice as long as a tick may have its lock: whoever has it then evaluates nothing.
_STUCK_S: Final = 30.0
# Whoever has not looked for so long, and for so many intervals, was not running: a machine that
# slept finds broken lines when it wakes up, and they say nothing of the time in between.
_SLEPT: Final = timedelta(minutes=1)
_SLEPT_INTERVALS: Final = 4
_STUCK: Final = "Somebody has the lock of the tick and evaluates nothing; nobody else can."


class _StuckError(Exception):
    """Nobody can evaluate, nor write down that nobody does."""

    def __init__(self, since: datetime) -> None:
        super().__init__(_STUCK)
        self.since = since


class Watchdog:
    """Watches from within one process."""

    def __init__(
        self,
        pool: Pool,
        settings: Settings,
        clock: Clock,
        *,
        spool: SpoolWatch,
        file: OutageFile,
        teller: OutageTeller,
        rules_of: RulesOf = read_rules_in_force,
    ) -> None:
        """Looks at nothing yet.

        Args:
            pool: of connections that neither saves nor pages wait for.
            settings: how often, and who we are.
            clock: for instants and ids.
            spool: of this process.
            file: of what was told of an outage.
            teller: tells of one.
            rules_of: the rules in force.
        """
        self._pool = pool
        self._settings = settings
        self._clock = clock
        self._spool = spool
        self._file = file
        self._teller = teller
        self._rules_of = rules_of
        self._process_id = clock.uuid7()
        self._began = clock.monotonic()
        self._answered_at = self._looked_at = clock.now()
        self._newest: Newest | None = None

    def run(self) -> int:
        """Looks once; how many notices it made or sent.

        Raises:
            psycopg.Error: the database has refused what we asked.
            OSError: the data directory cannot be used.
        """
        now, before = self._clock.now(), self._looked_at
        if now - before > max(_SLEPT, _SLEPT_INTERVALS * self._settings.alert_interval):
            self._answered_at = now
        self._looked_at = now
        try:
            done = self._look()
        except _StuckError as stuck:
            return self._teller.down(stuck.since, why=_STUCK)
        except (psycopg.Error, PoolTimeout) as error:
            if not is_away(error):
                raise
            # While the database is away nothing leaves a spool, and no tick can be taken.
            self._spool.forget()
            self._began = self._clock.monotonic()
            return self._teller.down(self._answered_at)
        self._answered_at = self._clock.now()
        return done

    def end(self) -> None:
        """Says that this process watches no more, so that nobody is called because it was stopped.

        If the database cannot be told, it looks as if it had been killed, and somebody is.
        """
        deadline = self._clock.monotonic() + _PATIENCE_S
        try:
            with self._pool.connection(deadline) as connection:
                connection.execute(_ENDED, [self._clock.now(), self._process_id])
        except (psycopg.Error, PoolTimeout) as error:
            structlog.get_logger().warning("watch_not_ended", error=type(error).__name__)

    def settle(self) -> bool:
        """Puts down what was told of an outage; whether nothing is left to be put down.

        Raises:
            psycopg.Error: the database could not be asked.
            PoolTimeout: the same.
            OSError: the data directory cannot be used.
        """
        return settle(self._pool, self._file, self._settings, self._clock)

    def _look(self) -> int:
        self.settle()
        waiting, still_since = self._spool.look(self._clock.now())
        deadline = self._clock.monotonic() + _PATIENCE_S
        with self._pool.connection(deadline) as connection:
            connection.execute(
                _SEEN,
                [
                    self._process_id,
                    self._settings.instance,
                    self._clock.now(),
                    waiting,
                    still_since,
                ],
            )
            if not self._is_late(last_tick(connection)):
                return 0
            return self._tell_standstill(connection)

    def _is_late(self, last: LastTick | None, more_s: float = 0.0) -> bool:
        """Whether the evaluator has missed two ticks while this process watched, and some time."""
        allowed_s = (_INTERVALS * self._settings.alert_interval).total_seconds() + more_s
        since = max(self._began, self._moved_at(last))
        return self._clock.monotonic() - since > allowed_s

    def _tell_standstill(self, connection: psycopg.Connection[Any]) -> int:
        with connection.transaction():
            if not records.lock(connection):
                # Somebody evaluates, or tells it already; but not for as long as this.
                last = last_tick(connection)
                if self._is_late(last, _STUCK_S):
                    raise _StuckError(self._moved(last).at or self._clock.now())
                return 0
            last, now = last_tick(connection), self._clock.now()
            if not self._is_late(last):
                return 0
            rules = [each for each in self._rules_of(connection) if _watches_evaluator(each)]
            moved = {Watched.EVALUATOR: self._moved(last)}
            known = remembered(connection, now)
            verdicts = judge(rules, Readings(now, {}, moved), known, self._clock, no_evidence)
            put_down(connection, self._settings, verdicts, now, tick=None)
        told = [each for each in verdicts if each.told is not None and each.told.kind is not None]
        for each in told:
            structlog.get_logger().warning("evaluator_stands_still", reason=each.reason)
        return len(told)

    def _moved(self, last: LastTick | None) -> Moved:
        """When the evaluator moved last, by the clock of this process."""
        still = timedelta(seconds=self._clock.monotonic() - self._moved_at(last))
        return Moved(self._clock.now() - still, self._settings.alert_interval)

    def _moved_at(self, last: LastTick | None) -> float:
        """The same in monotonic seconds; if it never did, when this process began to watch."""
        if last is None:
            return self._began
        looked_at = self._clock.monotonic()
        age_s = (self._clock.now() - last.started_at).total_seconds()
        self._newest = newest(self._newest, last.number, age_s, looked_at)
        return self._newest.began_at


def is_away(error: Exception) -> bool:
    """Whether an error says that the database cannot be worked with, whatever we ask of it.

    Nobody reaches it, it is too slow for a row by its key, it takes no writes. A mistake of ours
    that it refuses is none of that.
    """
    return isinstance(error, PoolTimeout | psycopg.OperationalError | psycopg.InternalError)


def _watches_evaluator(rule: Rule) -> bool:
    condition = rule.condition
    return isinstance(condition, Standstill) and condition.watched is Watched.EVALUATOR


_SEEN: Final = """
    INSERT INTO alert_watcher (process_id, instance, seen_at, spooled, still_since)
    VALUES (%s, %s, %s, %s, %s)
    ON CONFLICT (process_id) DO UPDATE
    SET seen_at = excluded.seen_at,
        spooled = excluded.spooled,
        still_since = excluded.still_since
"""
_ENDED: Final = "UPDATE alert_watcher SET ended_at = %s WHERE process_id = %s"
