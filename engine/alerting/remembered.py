"""What is known from the ticks before: states, alerts that fire, silences that hold.

It is read under the lock of the tick, so that it is still so when the tick is written.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple

import psycopg

from engine.alerting.deciding import OpenAlert
from engine.alerting.matching import Matcher, Silence
from engine.alerting.rules import AlertSeverity
from engine.alerting.states import Memory, RuleState


class LastTick(NamedTuple):
    """The newest tick.

    Attributes:
        number: of it.
        due_at: when it was due.
        started_at: when it began.
    """

    number: int
    due_at: datetime
    started_at: datetime


@dataclass(frozen=True, slots=True)
class Remembered:
    """What is known from the ticks before.

    Attributes:
        memories: of each rule, by its id.
        alerts: those that fire, by the id of their rule.
        silences: those that nobody has ended and that have not expired.
        looked_at: the number of the tick that looked at a rule last, by its id.
    """

    memories: Mapping[str, Memory]
    alerts: Mapping[str, OpenAlert]
    silences: Sequence[Silence]
    looked_at: Mapping[str, int] = field(default_factory=dict)


def last_tick(connection: psycopg.Connection[Any]) -> LastTick | None:
    """The newest tick; None before the first one."""
    row = connection.execute(_LAST_TICK).fetchone()
    return None if row is None else LastTick(*row)


def remembered(connection: psycopg.Connection[Any], now: datetime) -> Remembered:
    """What is known from the ticks before, and the silences of now."""
    memories: dict[str, Memory] = {}
    looked_at: dict[str, int] = {}
    for rule_id, tick, state, *rest in connection.execute(_STATES):
        memories[rule_id] = Memory(RuleState(state), *rest)
        looked_at[rule_id] = tick
    alerts = {alert.rule_id: alert for alert in map(_open_alert, connection.execute(_OPEN_ALERTS))}
    silences = [
        Silence(silence_id, Matcher.of(matcher), expires_at)
        for silence_id, matcher, expires_at in connection.execute(_SILENCES, [now])
    ]
    return Remembered(memories, alerts, silences, looked_at)


def _open_alert(row: Sequence[Any]) -> OpenAlert:
    alert_id, rule_id, severity, code, correlation_id, said, numbers, *rest = row
    # As text: what the connection makes of a number is fit for amounts of money.
    plain = json.loads(numbers)
    return OpenAlert(
        alert_id, rule_id, AlertSeverity[severity], code, correlation_id, said, plain, *rest
    )


_LAST_TICK: Final = "SELECT number, due_at, started_at FROM alert_tick ORDER BY number DESC LIMIT 1"
_STATES: Final = """
    -- What could not be read left no number behind.
    SELECT rule_id, tick, state, since, true_since, last_true, unknown_since, alert_id, is_no_data,
        numbers = '{}'
    FROM alert_state
"""
_OPEN_ALERTS: Final = """
    SELECT id, rule_id, severity, error_code, correlation_id, message, numbers::text, fired_at,
        told_at, acknowledged_at, muted_by
    FROM alert
    WHERE resolved_at IS NULL
    ORDER BY fired_at
"""
_SILENCES: Final = """
    SELECT id, matcher, expires_at
    FROM alert_silence
    WHERE ended_at IS NULL AND expires_at > %s
"""
