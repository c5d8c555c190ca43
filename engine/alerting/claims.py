"""Claiming what is due, and settling what became of it: one transaction before a send, one after.

A claim is a conditional UPDATE that holds for a while. Whoever dies with one leaves it to run out;
then the next takes it over, and what it sends is perhaps a repetition. One notice is claimed at a
time, right before it is sent, so that no more than that one is in doubt.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

from engine.alerting.beginnings import was_told
from engine.alerting.channels.channel import (
    ChannelName,
    FailureReason,
    Result,
    Retry,
    Sent,
)
from engine.alerting.claimed import COLUMNS, Claimed, claimed_of
from engine.alerting.notices import NoticeKind
from engine.alerting.standing_in import escalate

# Who echoed the nonce when it came back in the answer.
RECEIVER: Final = "the receiver"


@dataclass(frozen=True, slots=True)
class Tried:
    """What became of a try.

    Attributes:
        claimed: what was tried.
        result: what the channel said.
        started_at: when it was sent.
        ended_at: when the answer was there.
    """

    claimed: Claimed
    result: Result
    started_at: datetime
    ended_at: datetime


def claim(
    connection: psycopg.Connection[Any],
    channel: ChannelName,
    claimed_by: str,
    now: datetime,
    lease: timedelta,
) -> Claimed | None:
    """Claims the most urgent notice of a channel that is due, the one that has been longest first.

    One that an earlier notice of one of its alerts is still waiting before is not due: nobody hears
    that something is over before they hear that it began.

    Args:
        connection: in a transaction of its own.
        channel: which.
        claimed_by: who claims, unlike anybody else.
        now: the present instant.
        lease: how long the claim holds.
    """
    values = {"channel": channel.value, "by": claimed_by, "now": now, "until": now + lease}
    with connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(_CLAIM, values).fetchone()
    if row is None:
        return None
    claimed = claimed_of(row, claimed_by)
    if row["before"] == "sending":
        _note_try(
            connection,
            claimed.letter.id,
            row["number"] - 1,
            (min(row["claimed_until"] - lease, now), now),
            ("unknown", FailureReason.CLAIM_RAN_OUT.value, None, None),
        )
    if claimed.kind is NoticeKind.RESOLVED:
        return replace(claimed, is_owed=was_told(connection, claimed, claimed.channel))
    return claimed


def settle(
    connection: psycopg.Connection[Any],
    tried: Tried,
    again: datetime | FailureReason | None,
    configured: Collection[ChannelName],
) -> bool:
    """Writes down what became of a try; whether the claim still held.

    One that has failed for good is handed to the channel that stands in, in the same transaction.

    Args:
        connection: in a transaction of its own.
        tried: what became of it.
        again: after a `Retry`, when it is tried again, or why not.
        configured: channels that can stand in.
    """
    claimed, result = tried.claimed, tried.result
    word, reason = _told(result)
    _note_try(
        connection,
        claimed.letter.id,
        claimed.number,
        (tried.started_at, tried.ended_at),
        (word, reason, result.status, result.answer),
    )
    state, final = _after(result, again)
    held = connection.execute(
        _SETTLE,
        {
            "id": claimed.letter.id,
            "by": claimed.claimed_by,
            "number": claimed.number,
            "state": state,
            "next_at": again if isinstance(again, datetime) else None,
            "reason": final,
            "answer": result.answer,
            "receipt": result.receipt if isinstance(result, Sent) else None,
            "ended_at": None if state == "waiting" else tried.ended_at,
            "doubt": isinstance(result, Retry) and result.may_have_arrived,
            "echoed_at": tried.ended_at if isinstance(result, Sent) and result.echo else None,
            "echoed_by": RECEIVER if isinstance(result, Sent) and result.echo else None,
        },
    ).rowcount
    if held and state == "failed":
        escalate(connection, claimed, tried.ended_at, configured)
    return bool(held)


def drop(
    connection: psycopg.Connection[Any],
    claimed: Claimed,
    now: datetime,
    configured: Collection[ChannelName],
) -> None:
    """Drops a claimed notice that nobody is owed; whoever stood in for its beginning gets it."""
    values = {
        "id": claimed.letter.id,
        "by": claimed.claimed_by,
        "number": claimed.number,
        "now": now,
        "reason": FailureReason.NEVER_TOLD.value,
    }
    if connection.execute(_DROP, values).rowcount:
        escalate(connection, claimed, now, configured)


def _note_try(
    connection: psycopg.Connection[Any],
    outbox_id: UUID,
    number: int,
    when: tuple[datetime, datetime],
    what: tuple[str, str | None, int | None, str | None],
) -> None:
    connection.execute(_NOTE_TRY, [outbox_id, number, *when, *what])


def _told(result: Result) -> tuple[str, str | None]:
    """The word of a try's row, and its reason."""
    if isinstance(result, Sent):
        return "sent", None
    word = "retry" if isinstance(result, Retry) else "permanent"
    return word, result.reason.value


def _after(result: Result, again: datetime | FailureReason | None) -> tuple[str, str | None]:
    """The state that follows, and the reason that is shown with it.

    What has been given up names what the last try failed of: that it took too long is in the
    number of its tries, and in its age.
    """
    if isinstance(result, Sent):
        return "delivered", None
    if isinstance(result, Retry) and isinstance(again, datetime):
        return "waiting", result.reason.value
    return "failed", result.reason.value


_CLAIM: Final = f"""
    -- The next notice of a channel, claimed.
    WITH due AS MATERIALIZED (
        SELECT id, state, claimed_until
        FROM alert_outbox AS d
        WHERE channel = %(channel)s
            AND state IN ('waiting', 'sending')
            AND next_at <= %(now)s
            AND (
                kind NOT IN ('repeat', 'resolved')
                OR NOT EXISTS (
                    -- What is to be told before it; of one instant firing, repeat, resolved.
                    SELECT
                    FROM alert_outbox AS e
                    WHERE e.alert_id = d.alert_id
                        AND e.channel = d.channel
                        AND e.state IN ('waiting', 'sending')
                        AND (e.made_at, e.kind) < (d.made_at, d.kind)
                )
                AND NOT EXISTS (
                    SELECT
                    FROM alert_outbox AS e
                    WHERE e.body -> 'others' @> jsonb_build_array(
                            jsonb_build_object('alertId', d.alert_id::text)
                        )
                        AND e.channel = d.channel
                        AND e.state IN ('waiting', 'sending')
                        AND (e.made_at, e.kind) < (d.made_at, d.kind)
                )
                AND NOT EXISTS (
                    -- The same of each other one that it speaks of.
                    SELECT
                    FROM jsonb_path_query(d.body, '$.others[*].alertId') AS other (id)
                    CROSS JOIN LATERAL (
                        SELECT
                        FROM alert_outbox AS e
                        WHERE e.alert_id = (other.id #>> '{{}}')::uuid
                            AND e.channel = d.channel
                            AND e.state IN ('waiting', 'sending')
                            AND (e.made_at, e.kind) < (d.made_at, d.kind)
                        LIMIT 1  -- by index: the planner takes the others for many
                    ) AS earlier
                )
                AND NOT EXISTS (
                    SELECT
                    FROM jsonb_path_query(d.body, '$.others[*].alertId') AS other (id)
                    CROSS JOIN LATERAL (
                        SELECT
                        FROM alert_outbox AS e
                        WHERE e.body -> 'others' @> jsonb_build_array(
                                jsonb_build_object('alertId', other.id)
                            )
                            AND e.channel = d.channel
                            AND e.state IN ('waiting', 'sending')
                            AND (e.made_at, e.kind) < (d.made_at, d.kind)
                        LIMIT 1
                    ) AS earlier
                )
            )
        ORDER BY urgency DESC, next_at
        LIMIT 1
        FOR UPDATE SKIP LOCKED
    )
    UPDATE alert_outbox AS o
    SET state = 'sending',
        tries = o.tries + 1,
        claimed_by = %(by)s,
        claimed_until = %(until)s,
        next_at = %(until)s,
        is_perhaps_repeated = o.is_perhaps_repeated OR due.state = 'sending'
    FROM due
    WHERE o.id = due.id
    RETURNING {COLUMNS}, due.state AS before, due.claimed_until
"""  # noqa: S608  # of constants of this file
_SETTLE: Final = """
    -- What became of a try, if the claim still holds.
    UPDATE alert_outbox
    SET state = %(state)s,
        next_at = %(next_at)s,
        claimed_by = NULL,
        claimed_until = NULL,
        reason = %(reason)s,
        answer = %(answer)s,
        receipt = %(receipt)s,
        ended_at = %(ended_at)s,
        is_perhaps_repeated = is_perhaps_repeated OR %(doubt)s,
        echoed_at = coalesce(echoed_at, %(echoed_at)s),
        echoed_by = coalesce(echoed_by, %(echoed_by)s)
    WHERE id = %(id)s AND state = 'sending' AND claimed_by = %(by)s AND tries = %(number)s
"""
_DROP: Final = """
    -- What need not be told; nothing was tried.
    UPDATE alert_outbox
    SET state = 'dropped',
        tries = tries - 1,
        next_at = NULL,
        claimed_by = NULL,
        claimed_until = NULL,
        reason = %(reason)s,
        ended_at = %(now)s
    WHERE id = %(id)s AND state = 'sending' AND claimed_by = %(by)s AND tries = %(number)s
"""
_NOTE_TRY: Final = """
    -- One try; whoever took a claim over has noted the one before as unknown.
    INSERT INTO alert_delivery (
        outbox_id, number, started_at, ended_at, result, reason, status, answer
    ) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
    ON CONFLICT (outbox_id, number) DO NOTHING
"""
