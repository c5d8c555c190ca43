"""What alerting has decided and told, read for people: alerts, transitions, notices, silences."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar
from uuid import UUID

import psycopg
from psycopg import sql
from psycopg.rows import args_row
from psycopg.types.json import Jsonb

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class LoggedAlert:
    """An alert, over or not.

    Attributes:
        id: of the alert.
        rule_id: of its rule, perhaps of another release.
        severity: name of an `AlertSeverity`.
        error_code: an error code or an `AlertCode`.
        correlation_id: of the worst attempt, or of the evaluation.
        message: what was the matter.
        fired_at: when it began.
        told_at: when somebody was last told that it fires; None if never.
        resolved_at: when it was over; None while it is not.
        acknowledged_at: when somebody took it in hand; None if nobody has.
        acknowledged_by: who.
        disposition: what it turned out to be; None while nobody has said.
        remark: what was said with it.
        numbers: that made it fire.
        muted_by: what held it back last; None if nothing did.
    """

    id: UUID
    rule_id: str
    severity: str
    error_code: str
    correlation_id: str
    message: str
    fired_at: datetime
    told_at: datetime | None
    resolved_at: datetime | None
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    disposition: str | None
    remark: str | None
    numbers: Mapping[str, Any]
    muted_by: Mapping[str, str] | None

    def lasted(self, now: datetime) -> timedelta:
        """How long it fired, or has been firing."""
        return (self.resolved_at or now) - self.fired_at


@dataclass(frozen=True, slots=True)
class LoggedTransition:
    """A rule went from one state into another.

    Attributes:
        rule_id: of the rule.
        tick: that decided it; None where the watchdog had to.
        happened_at: when.
        before: the state it was in.
        after: the state it is in.
        alert_id: of the alert that this begins or ends; None without any.
        reason: why.
        correlation_id: of the worst attempt, or of the evaluation.
        lasted: how long it stayed in the state before; None where that is not known.
        numbers: that decided.
        muted_by: what kept it from being told; None if nothing did.
    """

    rule_id: str
    tick: int | None
    happened_at: datetime
    before: str
    after: str
    alert_id: UUID | None
    reason: str
    correlation_id: str
    lasted: timedelta | None
    numbers: Mapping[str, Any]
    muted_by: Mapping[str, str] | None


@dataclass(frozen=True, slots=True)
class LoggedNotice:
    """Something that a channel was to be told, and how far it has come.

    Attributes:
        id: of the outbox row.
        alert_id: of the alert, or of the first of a group.
        rule_id: that it names first.
        severity: that it names first.
        others: how many more alerts it tells of.
        kind: why somebody is told.
        channel: where.
        made_at: when it was decided.
        state: how far it has come.
        tries: how many.
        next_at: of the next try; None without one.
        reason: why it was not taken; None when it was, or was not tried.
        answer: what the channel answered.
        receipt: what the channel calls it.
        ended_at: when it was delivered or given up; None before.
        is_perhaps_repeated: whether an earlier try may have arrived.
        nonce: of a test, else None.
        echoed_at: when the nonce came back; None if it has not.
        echoed_by: who typed it back; None if the receiver echoed it.
    """

    id: UUID
    alert_id: UUID
    rule_id: str
    severity: str
    others: int
    kind: str
    channel: str
    made_at: datetime
    state: str
    tries: int
    next_at: datetime | None
    reason: str | None
    answer: str | None
    receipt: str | None
    ended_at: datetime | None
    is_perhaps_repeated: bool
    nonce: str | None
    echoed_at: datetime | None
    echoed_by: str | None

    @property
    def took(self) -> timedelta | None:
        """From the decision until it was delivered; None when it was not."""
        if self.state != "delivered" or self.ended_at is None:
            return None
        return self.ended_at - self.made_at


@dataclass(frozen=True, slots=True)
class LoggedTry:
    """One try to send a notice.

    Attributes:
        outbox_id: of the notice.
        channel: where.
        number: from 1.
        started_at: when it began.
        ended_at: when the channel had answered, or had not in time.
        result: what became of it.
        reason: why it was not taken; None when it was.
        status: of HTTP, where there is one.
        answer: what the channel said.
    """

    outbox_id: UUID
    channel: str
    number: int
    started_at: datetime
    ended_at: datetime
    result: str
    reason: str | None
    status: int | None
    answer: str | None


@dataclass(frozen=True, slots=True)
class LoggedSilence:
    """Somebody did not want to be told of some alerts.

    Attributes:
        id: of the silence.
        matcher: which alerts, as `matching.Matcher.stored` has it.
        reason: why.
        made_at: when it was made.
        made_by: by whom.
        expires_at: until when, unless it was ended before.
        ended_at: when it was ended early; None if it was not.
        ended_by: by whom.
    """

    id: UUID
    matcher: Mapping[str, Any]
    reason: str
    made_at: datetime
    made_by: str
    expires_at: datetime
    ended_at: datetime | None
    ended_by: str | None

    def holds(self, now: datetime) -> bool:
        """Whether it hides anything now."""
        return self.ended_at is None and now < self.expires_at


def read_alerts(
    connection: psycopg.Connection[Any],
    since: datetime,
    *,
    rule_id: str | None = None,
    severity: str | None = None,
    most: int,
) -> tuple[LoggedAlert, ...]:
    """The alerts that fired within a time, newest first; those that began before it among them.

    Args:
        connection: to read with.
        since: from when on.
        rule_id: only of this rule.
        severity: only of this one.
        most: at most so many.

    Raises:
        psycopg.Error: the database could not be asked; so do all functions here.
    """
    asked = {"since": since, "rule": rule_id, "severity": severity, "most": most}
    return tuple(_read(connection, _alert, _ALERTS, asked))


def read_open_alerts(connection: psycopg.Connection[Any]) -> tuple[LoggedAlert, ...]:
    """The alerts that fire, the oldest first."""
    return tuple(_read(connection, _alert, _OPEN_ALERTS, {}))


def read_alert(connection: psycopg.Connection[Any], alert_id: UUID) -> LoggedAlert | None:
    """One alert; None when there is none with this id."""
    found = _read(connection, _alert, _ALERT, {"id": alert_id})
    return next(iter(found), None)


def read_transitions(
    connection: psycopg.Connection[Any],
    since: datetime,
    *,
    rule_ids: Collection[str] | None = None,
    alert_id: UUID | None = None,
    most: int,
) -> tuple[LoggedTransition, ...]:
    """How rules changed their states, newest first.

    Args:
        connection: to read with.
        since: from when on.
        rule_ids: only of these; of all if None.
        alert_id: only those that speak of this alert.
        most: at most so many.
    """
    rules = None if rule_ids is None else list(rule_ids)
    asked = {"since": since, "rules": rules, "alert": alert_id, "most": most}
    return tuple(_read(connection, _transition, _TRANSITIONS, asked))


def read_notices(
    connection: psycopg.Connection[Any],
    since: datetime,
    *,
    channel: str | None = None,
    state: str | None = None,
    most: int,
) -> tuple[LoggedNotice, ...]:
    """What was to be told, newest first.

    Args:
        connection: to read with.
        since: from when on.
        channel: only where.
        state: only those that have come so far.
        most: at most so many.
    """
    asked = {"since": since, "channel": channel, "state": state, "most": most}
    return tuple(_read(connection, LoggedNotice, _NOTICES, asked))


def notices_of(
    connection: psycopg.Connection[Any], alert_id: UUID, most: int
) -> tuple[LoggedNotice, ...]:
    """What was to be told of an alert, as the first of a group or among the others; newest first.

    Args:
        connection: to read with.
        alert_id: of the alert.
        most: at most so many.
    """
    among = Jsonb([{"alertId": str(alert_id)}])
    asked = {"alert": alert_id, "among": among, "most": most}
    return tuple(_read(connection, LoggedNotice, _NOTICES_OF, asked))


def newest_tests(connection: psycopg.Connection[Any]) -> Mapping[str, LoggedNotice]:
    """The newest test of each channel that was ever tested, by the channel's name."""
    return {each.channel: each for each in _read(connection, LoggedNotice, _TESTS, {})}


def read_tries(
    connection: psycopg.Connection[Any], outbox_ids: Collection[UUID]
) -> tuple[LoggedTry, ...]:
    """The tries of some notices, oldest first."""
    return tuple(_read(connection, LoggedTry, _TRIES, {"ids": list(outbox_ids)}))


def read_silences(connection: psycopg.Connection[Any], most: int) -> tuple[LoggedSilence, ...]:
    """The newest silences, those that are over among them, newest first.

    Args:
        connection: to read with.
        most: at most so many.
    """
    return tuple(_read(connection, LoggedSilence, _SILENCES, {"most": most}))


def _read(
    connection: psycopg.Connection[Any],
    make: Callable[..., T],
    query: sql.SQL | sql.Composed,
    asked: Mapping[str, Any],
) -> Sequence[T]:
    with connection.cursor(row_factory=args_row(make)) as cursor:
        return cursor.execute(query, asked).fetchall()


def _alert(*row: Any) -> LoggedAlert:  # noqa: ANN401  # whatever the columns have
    *facts, numbers, muted_by = row
    return LoggedAlert(*[*facts, _plain(numbers) or {}, _plain(muted_by)])


def _transition(*row: Any) -> LoggedTransition:  # noqa: ANN401  # likewise
    *facts, numbers, muted_by = row
    return LoggedTransition(*[*facts, _plain(numbers) or {}, _plain(muted_by)])


def _plain(said: str | None) -> Any:  # noqa: ANN401  # whatever JSON has
    """JSON read as text: what the connection makes of its numbers is fit for amounts of money."""
    return None if said is None else json.loads(said)


_ALERT_COLUMNS: Final = sql.SQL("""
    SELECT id, rule_id, severity, error_code, correlation_id, message, fired_at, told_at,
        resolved_at, acknowledged_at, acknowledged_by, disposition, remark, numbers::text,
        muted_by::text
    FROM alert
""")
_ALERTS: Final = sql.SQL("""
    {columns}
    WHERE (fired_at >= %(since)s OR resolved_at IS NULL OR resolved_at >= %(since)s)
        AND (%(rule)s::text IS NULL OR rule_id = %(rule)s)
        AND (%(severity)s::text IS NULL OR severity = %(severity)s)
    ORDER BY fired_at DESC, id DESC
    LIMIT %(most)s
""").format(columns=_ALERT_COLUMNS)
_OPEN_ALERTS: Final = sql.SQL("""
    {columns}
    WHERE resolved_at IS NULL
    ORDER BY fired_at, id
""").format(columns=_ALERT_COLUMNS)
_ALERT: Final = sql.SQL("""
    {columns}
    WHERE id = %(id)s
""").format(columns=_ALERT_COLUMNS)
_TRANSITIONS: Final = sql.SQL("""
    -- With each how long the state before it had lasted, as far as that began within the time.
    SELECT rule_id, tick, happened_at, before, after, alert_id, reason, correlation_id, lasted,
        numbers::text, muted_by::text
    FROM (
        SELECT *, happened_at - lag(happened_at) OVER rule AS lasted
        FROM alert_transition
        WHERE happened_at >= %(since)s
            AND (%(rules)s::text[] IS NULL OR rule_id = ANY(%(rules)s))
        WINDOW rule AS (PARTITION BY rule_id ORDER BY happened_at, id)
    ) AS moved
    WHERE %(alert)s::uuid IS NULL OR alert_id = %(alert)s
    ORDER BY happened_at DESC, id DESC
    LIMIT %(most)s
""")
_NOTICE_COLUMNS: Final = sql.SQL("""
    id, alert_id, coalesce(body ->> 'ruleId', ''), coalesce(body ->> 'severity', ''),
    coalesce(jsonb_array_length(body -> 'others'), 0), kind, channel, made_at, state, tries,
    next_at, reason, answer, receipt, ended_at, is_perhaps_repeated, nonce, echoed_at, echoed_by
""")
_NOTICES: Final = sql.SQL("""
    SELECT {columns}
    FROM alert_outbox
    WHERE made_at >= %(since)s
        AND (%(channel)s::text IS NULL OR channel = %(channel)s)
        AND (%(state)s::text IS NULL OR state = %(state)s)
    ORDER BY made_at DESC, id DESC
    LIMIT %(most)s
""").format(columns=_NOTICE_COLUMNS)
_NOTICES_OF: Final = sql.SQL("""
    SELECT {columns}
    FROM alert_outbox
    WHERE alert_id = %(alert)s OR body -> 'others' @> %(among)s
    ORDER BY made_at DESC, id DESC
    LIMIT %(most)s
""").format(columns=_NOTICE_COLUMNS)
_TESTS: Final = sql.SQL("""
    SELECT DISTINCT ON (channel) {columns}
    FROM alert_outbox
    WHERE kind = 'test'
    ORDER BY channel, made_at DESC, id DESC
""").format(columns=_NOTICE_COLUMNS)
_TRIES: Final = sql.SQL("""
    SELECT outbox_id, channel, number, started_at, delivery.ended_at, delivery.result,
        delivery.reason, status, delivery.answer
    FROM alert_delivery AS delivery
    JOIN alert_outbox ON alert_outbox.id = outbox_id
    WHERE outbox_id = ANY(%(ids)s)
    ORDER BY started_at, outbox_id, number
""")
_SILENCES: Final = sql.SQL("""
    SELECT id, matcher, reason, made_at, made_by, expires_at, ended_at, ended_by
    FROM alert_silence
    ORDER BY made_at DESC, id DESC
    LIMIT %(most)s
""")
