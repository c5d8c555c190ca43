"""How alerting stands: one read for the page, the command and the probes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import psycopg
from psycopg.rows import args_row

from engine.alerting.channels.channel import ChannelName
from engine.alerting.rules import AlertSeverity, Rule
from engine.alerting.states import RuleState
from engine.settings import Settings

# Lag and gaps are told of the last so long.
LOOKED_BACK: Final = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class RuleStanding:
    """What a rule is in.

    Attributes:
        rule_id: which; perhaps of another release.
        rule: as it is in force; None when it is not.
        state: since its last tick.
        since: when it came into that state.
        reason: why.
        numbers: that decided.
        alert_id: of the alert that it fires or fired last; None without any.
        tick: the last that looked at it.
    """

    rule_id: str
    rule: Rule | None
    state: RuleState
    since: datetime
    reason: str
    numbers: Mapping[str, Any]
    alert_id: UUID | None
    tick: int


@dataclass(frozen=True, slots=True)
class FiringAlert:
    """An alert that fires.

    Attributes:
        id: of the alert.
        rule_id: of its rule.
        severity: how loudly it speaks.
        error_code: an error code or an `AlertCode`.
        correlation_id: that the lookup finds.
        message: what is the matter.
        fired_at: since when.
        told_at: when somebody was last told; None if never.
        acknowledged_at: when somebody took it in hand; None if nobody has.
        acknowledged_by: who.
        muted_by: what holds it back; None if nothing does.
    """

    id: UUID
    rule_id: str
    severity: AlertSeverity
    error_code: str
    correlation_id: str
    message: str
    fired_at: datetime
    told_at: datetime | None
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    muted_by: Mapping[str, str] | None


@dataclass(frozen=True, slots=True)
class Ticks:
    """How the evaluator has kept its time.

    Attributes:
        since: from when on they are counted.
        number: of the newest; None before the first.
        last_at: when that began.
        interval: how often they are due.
        count: how many there were.
        missing: numbers that are not there between the first and the last of them.
        lag_p99_s: how late they came, all but 1 in 100; None without any.
        lag_max_s: the latest; None without any.
        rules_digest: of the rules that the newest looked at; None without any.
        release: that took the newest; None without any.
        instance: that took the newest; None without any.
    """

    since: datetime
    number: int | None
    last_at: datetime | None
    interval: timedelta
    count: int
    missing: int
    lag_p99_s: float | None
    lag_max_s: float | None
    rules_digest: bytes | None
    release: str | None
    instance: str | None

    def age(self, now: datetime) -> timedelta | None:
        """How long ago the newest began; None before the first."""
        return None if self.last_at is None else now - self.last_at

    def is_alive(self, now: datetime) -> bool:
        """Whether the newest is younger than two intervals."""
        age = self.age(now)
        return age is not None and age <= 2 * self.interval


@dataclass(frozen=True, slots=True)
class HeartbeatStanding:
    """What the watcher outside has heard.

    Attributes:
        is_configured: whether there is one.
        tick: that it was last told of; None if never.
        sent_at: when; None if never.
        acknowledged_at: when it last said that it had heard; None if never.
        reason: why it has not heard the last one; None when it has.
    """

    is_configured: bool
    tick: int | None = None
    sent_at: datetime | None = None
    acknowledged_at: datetime | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class ChannelStanding:
    """What the outbox holds for a channel.

    Attributes:
        channel: its name.
        waiting: notices that are still to be sent.
        oldest_waiting_at: when the oldest of them was made; None without any.
        delivered: within the time that is looked back.
        failed: for good, within that time.
        not_configured: of that time, not sent for want of the channel's settings.
        delivered_at: when the last one was delivered, ever; None if none was.
    """

    channel: str
    waiting: int
    oldest_waiting_at: datetime | None
    delivered: int
    failed: int
    not_configured: int
    delivered_at: datetime | None


@dataclass(frozen=True, slots=True)
class AlertingStatus:
    """How alerting stands.

    Attributes:
        read_at: when this was asked.
        rules: what each is in: those in force in their order, then others.
        firing: alerts that fire, the most severe first, then the oldest.
        ticks: how the evaluator has kept its time.
        heartbeat: what the watcher outside has heard.
        channels: those that the outbox has ever had something for.
        silences: how many hold.
        watchers: processes that watch.
    """

    read_at: datetime
    rules: tuple[RuleStanding, ...]
    firing: tuple[FiringAlert, ...]
    ticks: Ticks
    heartbeat: HeartbeatStanding
    channels: tuple[ChannelStanding, ...]
    silences: int
    watchers: int

    def in_state(self, state: RuleState) -> tuple[RuleStanding, ...]:
        """The rules that are in a state."""
        return tuple(each for each in self.rules if each.state is state)

    def said_since(self, alert: FiringAlert) -> str:
        """What an alert's rule says by now; empty where that is what it said when it began."""
        said = next((each.reason for each in self.rules if each.rule_id == alert.rule_id), "")
        return "" if alert.message.endswith(said) else said


def read_status(
    connection: psycopg.Connection[Any],
    settings: Settings,
    rules: Sequence[Rule],
    now: datetime,
    *,
    since: datetime | None = None,
) -> AlertingStatus:
    """Reads how alerting stands, in one snapshot.

    Args:
        connection: in autocommit.
        settings: how often rules are evaluated, and whether there is a watcher outside.
        rules: those in force.
        now: the present instant.
        since: from when on ticks and deliveries are counted; a day back unless given.

    Raises:
        psycopg.Error: the database could not be asked.
    """
    since = since or now - LOOKED_BACK
    connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    try:
        row = connection.execute(_COUNTED, [now, now - 3 * settings.alert_interval]).fetchone()
        silences, watchers = row or (0, 0)
        return AlertingStatus(
            read_at=now,
            rules=_standings(connection, rules),
            firing=_firing(connection),
            ticks=_ticks(connection, settings, since),
            heartbeat=_heartbeat(connection, settings),
            channels=_channels(connection, since),
            silences=silences,
            watchers=watchers,
        )
    finally:
        if not connection.closed:
            connection.execute("ROLLBACK")


def _standings(
    connection: psycopg.Connection[Any], rules: Sequence[Rule]
) -> tuple[RuleStanding, ...]:
    by_id = {rule.id: rule for rule in rules}
    order = {rule.id: place for place, rule in enumerate(rules)}

    def standing(
        rule_id: str,
        state: str,
        since: datetime,
        reason: str,
        numbers: str,
        alert_id: UUID | None,
        tick: int,
    ) -> RuleStanding:
        return RuleStanding(
            rule_id,
            by_id.get(rule_id),
            RuleState(state),
            since,
            reason,
            json.loads(numbers),
            alert_id,
            tick,
        )

    with connection.cursor(row_factory=args_row(standing)) as cursor:
        found = cursor.execute(_STATES).fetchall()
    return tuple(
        sorted(found, key=lambda each: (order.get(each.rule_id, len(order)), each.rule_id))
    )


def _firing(connection: psycopg.Connection[Any]) -> tuple[FiringAlert, ...]:
    found = [
        FiringAlert(alert_id, rule_id, AlertSeverity[severity], *rest)
        for alert_id, rule_id, severity, *rest in connection.execute(_FIRING)
    ]
    return tuple(sorted(found, key=lambda each: (-each.severity, each.fired_at, each.rule_id)))


def _ticks(connection: psycopg.Connection[Any], settings: Settings, since: datetime) -> Ticks:
    interval = settings.alert_interval
    newest = connection.execute(_NEWEST).fetchone()
    row = connection.execute(_KEPT_TIME, [since]).fetchone()
    count, missing, p99, most = row or (0, 0, None, None)
    number, last_at, digest, release, instance = newest or (None, None, None, None, None)
    return Ticks(
        since=since,
        number=number,
        last_at=last_at,
        interval=interval,
        count=count,
        missing=missing,
        lag_p99_s=None if p99 is None else float(p99),
        lag_max_s=None if most is None else float(most),
        rules_digest=None if digest is None else bytes(digest),
        release=release,
        instance=instance,
    )


def _heartbeat(connection: psycopg.Connection[Any], settings: Settings) -> HeartbeatStanding:
    row = connection.execute(_HEARTBEAT).fetchone()
    return HeartbeatStanding(settings.alert_heartbeat_url is not None, *(row or ()))


def _channels(connection: psycopg.Connection[Any], since: datetime) -> tuple[ChannelStanding, ...]:
    asked = {"channels": list(ChannelName), "since": since}
    return tuple(ChannelStanding(*row) for row in connection.execute(_CHANNELS, asked))


_COUNTED: Final = """
    SELECT
        (SELECT count(*) FROM alert_silence WHERE ended_at IS NULL AND expires_at > %s),
        (SELECT count(*) FROM alert_watcher WHERE seen_at > %s AND ended_at IS NULL)
"""
_STATES: Final = """
    SELECT rule_id, state, since, reason, numbers::text, alert_id, tick
    FROM alert_state
"""
_FIRING: Final = """
    SELECT id, rule_id, severity, error_code, correlation_id, message, fired_at, told_at,
        acknowledged_at, acknowledged_by, muted_by
    FROM alert
    WHERE resolved_at IS NULL
"""
_NEWEST: Final = """
    SELECT number, started_at, rules_digest, release, instance
    FROM alert_tick
    ORDER BY number DESC
    LIMIT 1
"""
_KEPT_TIME: Final = """
    -- How many ticks there were and are missing, and how late they came.
    SELECT
        count(*),
        coalesce(max(number) - min(number) + 1 - count(*), 0),
        percentile_disc(0.99) WITHIN GROUP (ORDER BY lag),
        max(lag)
    FROM (
        SELECT number, extract(epoch FROM started_at - due_at) AS lag
        FROM alert_tick
        WHERE started_at >= %s
    ) AS tick
"""
_HEARTBEAT: Final = "SELECT tick, sent_at, acknowledged_at, reason FROM alert_heartbeat"
_CHANNELS: Final = """
    -- How each channel stands: all of it ranges of one index, however much is kept beside them.
    SELECT channel, waiting, oldest_waiting_at, delivered, failed, ended.not_configured + set_aside,
        delivered_at
    FROM unnest(%(channels)s::text[]) AS asked (channel)
    CROSS JOIN LATERAL (
        -- Whether there is anything. In order, so that the planner does not look for it row by row.
        SELECT
        FROM alert_outbox
        WHERE channel = asked.channel
        ORDER BY state
        LIMIT 1
    ) AS something
    CROSS JOIN LATERAL (
        SELECT count(*) AS waiting, min(made_at) AS oldest_waiting_at
        FROM alert_outbox
        WHERE channel = asked.channel AND state IN ('waiting', 'sending')
    ) AS open
    CROSS JOIN LATERAL (
        SELECT
            count(*) FILTER (WHERE state = 'delivered') AS delivered,
            count(*) FILTER (WHERE state = 'failed') AS failed,
            count(*) FILTER (WHERE state = 'not configured') AS not_configured
        FROM alert_outbox
        WHERE channel = asked.channel
            AND state IN ('delivered', 'failed', 'not configured')
            AND ended_at >= %(since)s
    ) AS ended
    CROSS JOIN LATERAL (
        -- Set aside by the outbox; what an outage could not tell there has ended.
        SELECT count(*) AS set_aside
        FROM alert_outbox
        WHERE channel = asked.channel
            AND state = 'not configured'
            AND ended_at IS NULL
            AND made_at >= %(since)s
    ) AS aside
    LEFT JOIN LATERAL (
        SELECT ended_at AS delivered_at
        FROM alert_outbox
        WHERE channel = asked.channel AND state = 'delivered' AND ended_at IS NOT NULL
        ORDER BY ended_at DESC
        LIMIT 1
    ) AS last ON true
    ORDER BY channel
"""
