"""What a tick writes down, as SQL; the caller's transaction holds it together.

All of it is written under the lock of the tick (`LOCK`), so that what was read in the same
transaction (`engine.alerting.remembered`) is still so when it is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

from engine.alerting.deciding import OpenAlert, Verdict
from engine.alerting.remembered import Remembered
from engine.alerting.states import RuleState
from engine.correlation import make_correlation_id

# One process at a time evaluates, or writes what an evaluation would.
LOCK: Final = "SELECT pg_try_advisory_xact_lock(hashtext('saveguard.alerting.tick'))"
KEPT: Final = timedelta(days=90)
NOT_IN_FORCE: Final = "The rule is not in force any more."
# So few that a first run after a long time holds nothing up; an hour has 360 of the default length.
_FORGOTTEN_AT_ONCE: Final = 10_000


class Tick(NamedTuple):
    """One look at all rules, as it is written down.

    Attributes:
        number: one more than the one before.
        due_at: when it was due.
        started_at: when it began.
        ended_at: when it had decided.
        instance: of the process.
        release: of the process.
        rules_digest: of the rules that were in force.
        rules: how many.
        unknown: how many of them are unknown.
        firing: how many of them fire.
    """

    number: int
    due_at: datetime
    started_at: datetime
    ended_at: datetime
    instance: str
    release: str
    rules_digest: bytes
    rules: int
    unknown: int
    firing: int


def lock(connection: psycopg.Connection[Any]) -> bool:
    """Whether this transaction has the lock of the tick, until it is over."""
    row = connection.execute(LOCK).fetchone()
    return row is not None and bool(row[0])


def write_tick(connection: psycopg.Connection[Any], tick: Tick) -> None:
    """Puts a tick down; its number is taken only once."""
    connection.execute(_INSERT_TICK, tick)


def write_verdicts(
    connection: psycopg.Connection[Any],
    verdicts: Iterable[Verdict],
    now: datetime,
    *,
    tick: int | None,
    environment: str,
) -> None:
    """Puts down what rules are in, how they came there, and the alerts that begin, go on or end.

    Args:
        connection: in the transaction that has the lock.
        verdicts: of some rules.
        now: when they were made.
        tick: by which; None when the watchdog made them.
        environment: name of this installation.
    """
    verdicts = list(verdicts)
    states = [_state(each, tick) for each in verdicts]
    moved = [_transition(each, now, tick) for each in verdicts if each.transition is not None]
    alerts = [each for each in verdicts if each.alert is not None]
    new = [_alert(each, environment) for each in alerts if each.is_new]
    going_on = [_going_on(each, now) for each in alerts if not each.is_new]
    with connection.cursor() as cursor:
        for statement, rows in (
            (_UPSERT_STATE, states),
            (_INSERT_ALERT, new),
            (_UPDATE_ALERT, going_on),
            (_INSERT_TRANSITION, moved),
        ):
            if rows:
                cursor.executemany(statement, rows)


def retire(
    connection: psycopg.Connection[Any],
    rule_ids: Sequence[str],
    known: Remembered,
    now: datetime,
    tick: int,
    new_id: Callable[[], UUID],
) -> None:
    """Ends what rules are in that are not in force any more.

    Args:
        connection: in the transaction that has the lock.
        rule_ids: of rules that are remembered and not in force.
        known: what is remembered.
        now: the present instant.
        tick: that found them gone.
        new_id: makes ids.
    """
    for rule_id in rule_ids:
        memory, alert = known.memories[rule_id], known.alerts.get(rule_id)
        if memory.state is RuleState.INACTIVE and alert is None:
            continue
        transition_id = new_id()
        alert_id = None if alert is None else alert.id
        own = make_correlation_id(transition_id)
        connection.execute(
            _INSERT_TRANSITION,
            [
                transition_id, rule_id, tick, now, memory.state.value, RuleState.INACTIVE.value,
                alert_id, NOT_IN_FORCE, Jsonb({}), own, None,
            ],
        )  # fmt: skip
        connection.execute(_RETIRE_STATE, [now, tick, NOT_IN_FORCE, rule_id])
        if alert is not None:
            connection.execute(_RETIRE_ALERT, [now, alert.id])


def forget_old_ticks(connection: psycopg.Connection[Any], now: datetime) -> int:
    """Deletes ticks that are older than what is kept, some at a time; never the newest.

    Alerts stay, and how they began and ended. What was told of them long ago goes along, as do
    transitions of no alert (nights without attempts make a thousand a day), and processes that
    have not watched for as long.

    Returns:
        How many ticks.
    """
    connection.execute(_FORGET_WATCHERS, [now - KEPT])
    connection.execute(_FORGET_TRANSITIONS, [now - KEPT, _FORGOTTEN_AT_ONCE])
    connection.execute(_FORGET_NOTICES, [now - KEPT, _FORGOTTEN_AT_ONCE])
    return connection.execute(_FORGET_TICKS, [now - KEPT, _FORGOTTEN_AT_ONCE]).rowcount


def _state(verdict: Verdict, tick: int | None) -> tuple[Any, ...]:
    memory = verdict.memory
    return (
        verdict.rule.id,
        memory.state.value,
        memory.since,
        memory.true_since,
        memory.last_true,
        memory.unknown_since,
        memory.alert_id,
        memory.is_no_data,
        tick or 0,
        verdict.reason,
        Jsonb(dict(verdict.numbers)),
    )


def _transition(verdict: Verdict, now: datetime, tick: int | None) -> tuple[Any, ...]:
    transition, alert = verdict.transition, verdict.alert
    if transition is None:
        raise ValueError("no transition to write")
    return (
        transition.id,
        verdict.rule.id,
        tick,
        now,
        transition.before.value,
        verdict.memory.state.value,
        None if alert is None else alert.id,
        verdict.reason,
        Jsonb(dict(verdict.numbers)),
        transition.correlation_id,
        _muted(alert),
    )


def _alert(verdict: Verdict, environment: str) -> tuple[Any, ...]:
    alert = verdict.alert
    if alert is None:
        raise ValueError("no alert to write")
    return (
        alert.id,
        alert.rule_id,
        alert.severity.name,
        alert.error_code,
        environment,
        alert.correlation_id,
        alert.message,
        Jsonb(dict(alert.numbers)),
        alert.fired_at,
        alert.told_at,
        _muted(alert),
    )


def _going_on(verdict: Verdict, now: datetime) -> tuple[Any, ...]:
    alert = verdict.alert
    if alert is None:
        raise ValueError("no alert to write")
    return (alert.told_at, _muted(alert), now if verdict.is_over else None, alert.id)


def _muted(alert: OpenAlert | None) -> Jsonb | None:
    muted_by = None if alert is None else alert.muted_by
    return None if muted_by is None else Jsonb(dict(muted_by))


_INSERT_TICK: Final = """
    INSERT INTO alert_tick (
        number, due_at, started_at, ended_at, instance, release, rules_digest, rules, unknown,
        firing
    ) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""
_UPSERT_STATE: Final = """
    INSERT INTO alert_state (
        rule_id, state, since, true_since, last_true, unknown_since, alert_id, is_no_data,
        tick, reason, numbers
    ) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
    ON CONFLICT (rule_id) DO UPDATE
    SET state = excluded.state,
        since = excluded.since,
        true_since = excluded.true_since,
        last_true = excluded.last_true,
        unknown_since = excluded.unknown_since,
        alert_id = excluded.alert_id,
        is_no_data = excluded.is_no_data,
        tick = greatest(excluded.tick, alert_state.tick),
        reason = excluded.reason,
        numbers = excluded.numbers
"""
_INSERT_ALERT: Final = """
    INSERT INTO alert (
        id, rule_id, severity, error_code, environment, correlation_id, message, numbers, fired_at,
        told_at, muted_by
    ) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""
_UPDATE_ALERT: Final = """
    UPDATE alert
    SET told_at = %s,
        muted_by = %s,
        resolved_at = %s
    WHERE id = %s
"""
_INSERT_TRANSITION: Final = """
    INSERT INTO alert_transition (
        id, rule_id, tick, happened_at, before, after, alert_id, reason, numbers, correlation_id,
        muted_by
    ) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""
_RETIRE_STATE: Final = """
    UPDATE alert_state
    SET state = 'inactive',
        since = %s,
        true_since = NULL,
        unknown_since = NULL,
        alert_id = NULL,
        is_no_data = false,
        tick = %s,
        reason = %s
    WHERE rule_id = %s
"""
_RETIRE_ALERT: Final = "UPDATE alert SET resolved_at = %s WHERE id = %s"
_FORGET_TICKS: Final = """
    DELETE FROM alert_tick
    WHERE number IN (
        SELECT number
        FROM alert_tick
        WHERE started_at < %s AND number < (SELECT max(number) FROM alert_tick)
        ORDER BY number
        LIMIT %s
    )
"""
_FORGET_WATCHERS: Final = "DELETE FROM alert_watcher WHERE seen_at < %s"
_FORGET_TRANSITIONS: Final = """
    DELETE FROM alert_transition
    WHERE id IN (
        SELECT id
        FROM alert_transition
        WHERE happened_at < %s AND alert_id IS NULL
        ORDER BY happened_at
        LIMIT %s
    )
"""
_FORGET_NOTICES: Final = """
    -- That it is over is told to those who were told that it began, however long ago.
    WITH old AS MATERIALIZED (
        SELECT id
        FROM alert_outbox AS o
        WHERE made_at < %s
            AND state NOT IN ('waiting', 'sending')
            AND NOT EXISTS (
                SELECT
                FROM alert AS a
                WHERE a.resolved_at IS NULL
                    AND (
                        a.id = o.alert_id
                        OR o.body -> 'others' @> jsonb_build_array(
                            jsonb_build_object('alertId', a.id::text)
                        )
                    )
            )
        ORDER BY made_at
        LIMIT %s
    ),
    tries AS (
        DELETE FROM alert_delivery AS d
        USING old
        WHERE d.outbox_id = old.id
    )
    DELETE FROM alert_outbox AS o
    USING old
    WHERE o.id = old.id
"""
