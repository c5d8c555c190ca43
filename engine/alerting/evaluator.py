"""The evaluator: a tick looks at all rules in one snapshot, decides, and writes all of it at once.

A tick holds the lock of the tick on one connection and looks on another. What it decides (its own
row, states, transitions, alerts, and the notices that are to go out) commits in the transaction
that has the lock: a process that is killed at any instant leaves either all of it or nothing, and
whoever comes next goes on with the next number. See docs/explanation/alerting.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import psycopg
import structlog
from psycopg_pool import PoolTimeout

from engine.alerting import readings as reading
from engine.alerting import records
from engine.alerting.changes import digest_of
from engine.alerting.composing import compose
from engine.alerting.deciding import Verdict
from engine.alerting.evaluation import silent_since
from engine.alerting.evidence import TOO_LATE, Clerk, bounded, let_go, until
from engine.alerting.judging import judge, no_evidence
from engine.alerting.loading import own_rules
from engine.alerting.measuring import Readings, samples_of_all
from engine.alerting.outbox import put_in
from engine.alerting.records import Tick
from engine.alerting.remembered import LastTick, Remembered, last_tick, remembered
from engine.alerting.rules import Rule
from engine.alerting.rules_in_force import read_rules_in_force
from engine.alerting.states import Memory, RuleState
from engine.alerting.telling import of_end
from engine.alerting.ticking import Newest, due_after, is_due, newest
from engine.alerting.usual import Usual
from engine.clock import Clock
from engine.database.pool import EngineConnection, Pool
from engine.errors import SetupError
from engine.rollups.restored import RestoredError
from engine.rollups.series import Look, looking
from engine.settings import Settings

# All numbers of a tick take milliseconds; a ledger that cannot be counted in this time, because the
# rollups stand still, must not keep the watchdog from saying so.
_COUNTING_MS: Final = 4_000
# All of them together, should each be slow.
_COUNTING_S: Final = 6.0
# What is usual is read by index, from a few hundred rows of the rollups.
_USUAL_MS: Final = 1_000
# From the first look to the commit; then the lock is free for another process.
_TICK_S: Final = 15.0
# What is left of it for writing, however long everything took that was looked up.
_WRITING_S: Final = 3.0
# A tick that is due far ahead is of a clock before ours, or ours was set back. Of the former the
# next one comes within an interval; whoever asks twice in each has seen it after so many.
_COMING_INTERVALS: Final = 1.5
# For so many ticks in a row no process of another release has looked: a quarter of an hour.
_OTHERS_TICKS: Final = 90

RulesOf = Callable[[psycopg.Connection[Any]], Sequence[Rule]]


@dataclass(frozen=True, slots=True)
class Judged:
    """What a tick came to.

    Attributes:
        number: of the tick.
        verdicts: of all rules, in their order.
    """

    number: int
    verdicts: tuple[Verdict, ...]


class Evaluator:
    """Evaluates the alert rules; safe to run in any number of processes and threads."""

    def __init__(
        self,
        pool: Pool,
        settings: Settings,
        clock: Clock,
        *,
        rules_of: RulesOf = read_rules_in_force,
        settled: Callable[[], bool] = lambda: True,
        after: Callable[[int], None] = lambda _number: None,
    ) -> None:
        """Looks at nothing yet.

        Args:
            pool: of connections that neither saves nor pages wait for.
            settings: how often, and who we are.
            clock: for instants and ids.
            rules_of: the rules in force.
            settled: whether the tables have all that was told of an outage; a tick that came before
                would take what the outage left behind for something new.
            after: told of the number of each tick, once it is committed.
        """
        self._pool = pool
        self._settings = settings
        self._clock = clock
        self._rules_of = rules_of
        self._settled = settled
        self._after = after
        # When the next tick is due, as far as this process knows; asking costs nothing until then.
        self._due_at: datetime | None = None
        self._newest: Newest | None = None

    def run(self) -> int:
        """Takes the tick that is due, if there is one and nobody else takes it; how many it took.

        Raises:
            psycopg.Error: the database could not be asked; nothing is written, and the next tick
                takes the number.
            PoolTimeout: no connection could be had.
        """
        if not self._is_time():
            return 0
        try:
            judged = self.tick()
        except (psycopg.Error, PoolTimeout, SetupError):
            raise
        except Exception:
            # A mistake of ours will be the same again: it costs a tick, twice a second.
            self._due_at = self._clock.now() + self._settings.alert_interval
            raise
        if judged is None:
            return 0
        _log(judged)
        self._after(judged.number)
        return 1

    def _is_time(self) -> bool:
        """Whether a tick is due as far as this process knows, and nothing has to come before it."""
        interval, now = self._settings.alert_interval, self._clock.now()
        if self._due_at is not None and not is_due(self._due_at, now, interval):
            return False
        try:
            is_settled = self._settled()
        except OSError as error:
            structlog.get_logger().warning("outage_not_settled", error=type(error).__name__)
            return True
        # Whoever holds the file may hang; a tick does not wait for longer than a tick.
        return is_settled or (self._due_at is not None and now - self._due_at >= interval)

    def tick(self) -> Judged | None:
        """Looks at all rules once; None when no tick is due, or another process takes it.

        Raises:
            psycopg.Error: as `run`.
            PoolTimeout: as `run`.
        """
        interval = self._settings.alert_interval
        deadline = self._clock.monotonic() + _TICK_S
        with self._pool.connection(deadline) as writing, _transaction(writing):
            if not records.lock(writing):
                return None
            last, now = last_tick(writing), self._clock.now()
            due_at = now if last is None else due_after(last.due_at, last.started_at, interval)
            if not is_due(due_at, now, interval):
                self._due_at = due_at
                return None
            if due_at > now and self._is_coming(last, now):
                self._due_at = now + interval / 2
                return None
            due_at = min(due_at, now)
            rules = self._rules_of(writing)
            known = remembered(writing, now)
            with self._pool.connection(deadline) as looking_at:
                verdicts = self._look(looking_at, rules, known, last, now, deadline - _WRITING_S)
            judged = Judged(1 if last is None else last.number + 1, verdicts)
            self._write(writing, judged, rules, known, due_at, now)
        self._due_at = due_after(due_at, now, interval)
        return judged

    def _is_coming(self, last: LastTick | None, now: datetime) -> bool:
        """Whether somebody with another clock goes on, by what this process has seen of it."""
        if last is None:
            return False
        age_s, looked_at = (now - last.started_at).total_seconds(), self._clock.monotonic()
        self._newest = newest(self._newest, last.number, age_s, looked_at)
        allowed_s = _COMING_INTERVALS * self._settings.alert_interval.total_seconds()
        return looked_at - self._newest.began_at < allowed_s

    def _look(
        self,
        connection: EngineConnection,
        rules: Sequence[Rule],
        known: Remembered,
        last: LastTick | None,
        now: datetime,
        deadline: float,
    ) -> tuple[Verdict, ...]:
        """Measures, evaluates and looks up, all in one snapshot."""
        moved = reading.moved(connection, self._settings, last, now)
        try:
            with looking(connection) as look:
                counting_until = self._clock.monotonic() + _COUNTING_S
                with until(connection, counting_until), bounded(connection, _COUNTING_MS):
                    counts = reading.counted(look, samples_of_all(rules), now)
                with until(connection, deadline):
                    usual = _usual(connection, look, rules, known, now)
                    seen = Readings(now, counts, moved, usual)
                    clerk = Clerk(connection, look, seen)
                    return judge(rules, seen, known, self._clock, clerk.evidence)
        except (*TOO_LATE, RestoredError) as error:
            # Too slow, or rollups of another server's ledger: unknown, and that is known.
            structlog.get_logger().warning("alert_numbers_unknown", error=type(error).__name__)
            return judge(rules, Readings(now, {}, moved), known, self._clock, no_evidence)

    def _write(
        self,
        connection: psycopg.Connection[Any],
        judged: Judged,
        rules: Sequence[Rule],
        known: Remembered,
        due_at: datetime,
        now: datetime,
    ) -> None:
        settings, states = self._settings, [each.memory.state for each in judged.verdicts]
        tick = Tick(
            number=judged.number,
            due_at=due_at,
            started_at=now,
            ended_at=self._clock.now(),
            instance=settings.instance,
            release=settings.release,
            rules_digest=digest_of(rules),
            rules=len(rules),
            unknown=states.count(RuleState.UNKNOWN),
            firing=states.count(RuleState.FIRING),
        )
        records.write_tick(connection, tick)
        put_down(connection, settings, judged.verdicts, now, tick=judged.number)
        gone = _gone(rules, known, judged.number)
        records.retire(connection, gone, known, now, judged.number, self._clock.uuid7)
        put_in(connection, compose(settings, list(_taken_away(gone, known, now)), now))


def _usual(
    connection: EngineConnection,
    look: Look,
    rules: Sequence[Rule],
    known: Remembered,
    now: datetime,
) -> Mapping[str, Usual]:
    """What is usual for the rules that have known nothing for long; nothing is asked without any.

    Nothing either if that takes too long: all others have their numbers already.
    """
    silent = [
        (rule, since)
        for rule in rules
        if (since := silent_since(rule, known.memories.get(rule.id), now)) is not None
    ]
    if not silent:
        return {}
    try:
        with connection.transaction(), bounded(connection, _USUAL_MS):
            return reading.usual(look, silent, now)
    except TOO_LATE as error:
        let_go(connection, error)
        structlog.get_logger().warning("alert_usual_unknown", rules=[each.id for each, _ in silent])
        return {}


def _gone(rules: Sequence[Rule], known: Remembered, number: int) -> list[str]:
    """Rules that are remembered and not in force any more, by their ids.

    One that this release does not have may be another's that evaluates, too, as while a new one is
    rolled out. Ended here and begun there, it would page with every other tick.
    """
    own = {rule.id for rule in own_rules()}
    return sorted(
        rule_id
        for rule_id in known.memories.keys() - {rule.id for rule in rules}
        if rule_id in own or number - known.looked_at[rule_id] > _OTHERS_TICKS
    )


def _taken_away(gone: Sequence[str], known: Remembered, now: datetime) -> Iterator[Verdict]:
    """The alerts that end with their rule, for those who were told that they began.

    Of another release's rule nobody here knows whom it tells.
    """
    for rule in own_rules():
        alert = known.alerts.get(rule.id) if rule.id in gone else None
        if alert is not None:
            yield Verdict(
                rule=rule,
                memory=Memory(RuleState.INACTIVE, now),
                reason=records.NOT_IN_FORCE,
                numbers=alert.numbers,
                alert=alert,
                is_over=True,
                told=of_end(alert.told_at),
            )


def put_down(
    connection: psycopg.Connection[Any],
    settings: Settings,
    verdicts: Sequence[Verdict],
    now: datetime,
    *,
    tick: int | None,
) -> None:
    """Writes what was decided, and what is to be told of it, in the transaction that has the lock.

    Args:
        connection: in that transaction.
        settings: who we are.
        verdicts: of some rules.
        now: when they were made.
        tick: by which; None when the watchdog made them.
    """
    records.write_verdicts(connection, verdicts, now, tick=tick, environment=settings.environment)
    put_in(connection, compose(settings, verdicts, now))


@contextmanager
def _transaction(connection: EngineConnection) -> Iterator[None]:
    """A transaction that may lie still for as long as the other connection looks."""
    with connection.transaction():
        patience_ms = int(_TICK_S * 1000)
        connection.execute(f"SET LOCAL idle_in_transaction_session_timeout = {patience_ms}")
        yield


def _log(judged: Judged) -> None:
    """One line for each alert that begins or ends."""
    for each in judged.verdicts:
        if each.alert is None or not (each.is_new or each.is_over):
            continue
        structlog.get_logger().warning(
            "alert_fires" if each.is_new else "alert_resolved",
            rule=each.rule.id,
            severity=each.alert.severity.name,
            alert=str(each.alert.id),
            correlation_id=each.alert.correlation_id,
            tick=judged.number,
        )
