"""What happens to notices that cannot be told where they were to be: others stand in, or they wait.

A notice that has failed for good goes to the next channel in the transaction of its failure.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any, Final

import psycopg
from psycopg.rows import dict_row

from engine.alerting.beginnings import is_told
from engine.alerting.channels.channel import ChannelName, FailureReason
from engine.alerting.claimed import COLUMNS, Claimed, claimed_of
from engine.alerting.notices import NoticeKind
from engine.alerting.outbox import Entry, entry_id, put_in

# As many are ended at once: a transaction stays short.
_BATCH: Final = 100


def escalate(
    connection: psycopg.Connection[Any],
    failed: Claimed,
    now: datetime,
    configured: Collection[ChannelName],
) -> None:
    """Puts a notice in for the channel that stands in, if there is one.

    Args:
        connection: in the transaction of its failure.
        failed: the notice.
        now: the present instant.
        configured: channels that can stand in.
    """
    able = [each for each in failed.escalates_to if each in configured]
    if failed.kind is NoticeKind.RESOLVED:
        # Only who was told that it began.
        able = [each for each in able if is_told(connection, failed, each)]
    if not able:
        return
    channel, rest = able[0], tuple(failed.escalates_to[failed.escalates_to.index(able[0]) + 1 :])
    # Of a repeat each has an id of its own, which its stand-in's follows from.
    made_from = failed.letter.id if failed.kind is NoticeKind.REPEAT else failed.alert_id
    put_in(
        connection,
        [
            Entry(
                id=entry_id(made_from, failed.kind, channel),
                alert_id=failed.alert_id,
                kind=failed.kind,
                channel=channel,
                escalates_to=rest,
                urgency=failed.urgency,
                body={**failed.letter.body, "escalatedFrom": failed.channel.value},
                made_at=now,
            )
        ],
    )


def set_aside(
    connection: psycopg.Connection[Any],
    channel: ChannelName,
    now: datetime,
    grace: timedelta,
    configured: Collection[ChannelName],
) -> int:
    """Marks what waits for a channel that is not configured, and tells those who stand in.

    Args:
        connection: in a transaction of its own.
        channel: which.
        now: the present instant.
        grace: so long somebody may come who has its settings.
        configured: channels that can stand in.

    Returns:
        How many; there may be more.
    """
    values = {
        "channel": channel.value,
        "before": now - grace,
        "now": now,
        "reason": FailureReason.NOT_CONFIGURED.value,
    }
    return _end_many(connection, _SET_ASIDE, values, now, configured)


def give_up(
    connection: psycopg.Connection[Any],
    channel: ChannelName,
    now: datetime,
    age: timedelta,
    configured: Collection[ChannelName],
) -> int:
    """Hands over what has waited too long behind others on a channel that fails.

    Args:
        connection: in a transaction of its own.
        channel: which.
        now: the present instant.
        age: after which somebody else is told.
        configured: channels that can stand in; those without one go on waiting.
    """
    values = {
        "channel": channel.value,
        "before": now - age,
        "now": now,
        "reason": FailureReason.TOO_OLD.value,
        "configured": [each.value for each in configured],
    }
    return _end_many(connection, _GIVE_UP, values, now, configured)


def bring_back(
    connection: psycopg.Connection[Any], channel: ChannelName, now: datetime, age: timedelta
) -> int:
    """Makes due again what was set aside, once the channel is configured; how many.

    Args:
        connection: in a transaction of its own.
        channel: which.
        now: the present instant.
        age: what is older has failed: it tells of things long past.
    """
    values = {
        "channel": channel.value,
        "since": now - age,
        "now": now,
        "reason": FailureReason.TOO_OLD.value,
    }
    return connection.execute(_BRING_BACK, values).rowcount


def _end_many(
    connection: psycopg.Connection[Any],
    statement: str,
    values: dict[str, Any],
    now: datetime,
    configured: Collection[ChannelName],
) -> int:
    with connection.cursor(row_factory=dict_row) as cursor:
        ended = cursor.execute(statement.encode(), {**values, "batch": _BATCH}).fetchall()
    # That something began before that it is over.
    for row in sorted(ended, key=lambda each: (each["made_at"], each["kind"])):
        escalate(connection, claimed_of(row, ""), now, configured)
    return len(ended)


_SET_ASIDE: Final = f"""
    -- What waits for a channel that nobody has the settings of.
    WITH due AS MATERIALIZED (
        SELECT id, state
        FROM alert_outbox
        WHERE channel = %(channel)s
            AND state IN ('waiting', 'sending')
            AND next_at <= %(before)s
        ORDER BY urgency DESC, next_at
        LIMIT %(batch)s
        FOR UPDATE SKIP LOCKED
    )
    UPDATE alert_outbox AS o
    SET state = 'not configured',
        next_at = NULL,
        claimed_by = NULL,
        claimed_until = NULL,
        is_perhaps_repeated = o.is_perhaps_repeated OR due.state = 'sending',
        reason = %(reason)s
    FROM due
    WHERE o.id = due.id
    RETURNING {COLUMNS}
"""  # noqa: S608  # of constants of this file
_GIVE_UP: Final = f"""
    -- What has waited too long, and could be told by somebody else.
    WITH due AS MATERIALIZED (
        SELECT id
        FROM alert_outbox
        WHERE channel = %(channel)s
            AND state = 'waiting'
            AND made_at <= %(before)s
            AND escalates_to && %(configured)s::text[]
        ORDER BY urgency DESC, next_at
        LIMIT %(batch)s
        FOR UPDATE SKIP LOCKED
    )
    UPDATE alert_outbox AS o
    SET state = 'failed', next_at = NULL, reason = %(reason)s, ended_at = %(now)s
    FROM due
    WHERE o.id = due.id
    RETURNING {COLUMNS}
"""  # noqa: S608  # of constants of this file
_BRING_BACK: Final = """
    -- What was set aside until the channel is configured.
    UPDATE alert_outbox
    SET state = CASE WHEN is_recent THEN 'waiting' ELSE 'failed' END,
        next_at = CASE WHEN is_recent THEN %(now)s::timestamptz END,
        ended_at = CASE WHEN is_recent THEN NULL ELSE %(now)s::timestamptz END,
        reason = CASE WHEN is_recent THEN NULL ELSE %(reason)s END
    FROM (
        -- Whoever tested has gone.
        SELECT id AS recent_id, made_at >= %(since)s AND kind <> 'test' AS is_recent
        FROM alert_outbox
        WHERE channel = %(channel)s AND state = 'not configured'
        FOR UPDATE SKIP LOCKED
    ) AS found
    WHERE id = recent_id AND channel = %(channel)s AND state = 'not configured'
"""
