"""The outbox: what is to be told, put in by whoever decides, in the transaction of the decision.

A notice is told once to each channel: its row's id follows from what it is and where it goes, so
that putting it in again changes nothing, in whichever process and after whichever failure.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid5

import psycopg
from psycopg.types.json import Jsonb

from engine.alerting.channels.channel import ChannelName
from engine.alerting.notices import Notice, NoticeKind, body_of
from engine.alerting.rules import AlertSeverity

# The watcher outside: it hears of us by itself, and is sent nothing.
HEARTBEAT: Final = "heartbeat"
# The namespace of the rows' ids; any constant would do, but only one.
_NAMESPACE: Final = UUID("6f5a9a3e-6a0e-5f0b-9d57-0e8b1c5d2a41")
_INSERT: Final = """
    -- Notices that are to be told; one that is in already stays as it is.
    INSERT INTO alert_outbox (
        id, alert_id, kind, channel, escalates_to, urgency, body, made_at, state, tries, next_at,
        is_perhaps_repeated, nonce
    ) VALUES (
        %(id)s, %(alert_id)s, %(kind)s, %(channel)s, %(escalates_to)s, %(urgency)s, %(body)s,
        %(made_at)s, 'waiting', 0, %(made_at)s, %(is_perhaps_repeated)s, %(nonce)s
    )
    ON CONFLICT (id) DO NOTHING
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """A notice for one channel, as it goes in.

    Attributes:
        id: see `entry_id`.
        alert_id: of the alert, or of the first of a group.
        kind: why somebody is told.
        channel: where.
        escalates_to: channels that stand in, one after the other, when it fails there for good.
        urgency: the number of its `AlertSeverity`.
        body: the notice as `body_of` has it.
        made_at: when it was decided.
        is_perhaps_repeated: whether it may have been told already, past the outbox.
        nonce: of a test, else None.
    """

    id: UUID
    alert_id: UUID
    kind: NoticeKind
    channel: ChannelName
    escalates_to: tuple[ChannelName, ...]
    urgency: int
    body: Mapping[str, Any]
    made_at: datetime
    is_perhaps_repeated: bool = False
    nonce: str | None = None


def entry_id(
    alert_id: UUID, kind: NoticeKind, channel: ChannelName, told_at: datetime | None = None
) -> UUID:
    """The id of a notice on a channel, which is also the key by which receivers know it.

    Args:
        alert_id: of the alert.
        kind: why somebody is told.
        channel: where.
        told_at: of a repeat, when the alert was told before; None otherwise.
    """
    since = "" if told_at is None else told_at.isoformat()
    return uuid5(_NAMESPACE, f"{alert_id} {kind} {channel} {since}")


def entries(
    notice: Notice,
    channels: Iterable[str],
    made_at: datetime,
    *,
    told_at: datetime | None = None,
    is_perhaps_repeated: bool = False,
) -> list[Entry]:
    """One entry for each channel of a notice.

    The channels that are not named stand in for each of them, in the order of `ChannelName`: one
    that is told anyway is no stand-in.

    Args:
        notice: what is told.
        channels: by their names; the heartbeat is none.
        made_at: when it was decided; aware.
        told_at: of a repeat, when the alert was told before.
        is_perhaps_repeated: whether it was sent past the outbox, and nobody knows how far it came.

    Raises:
        ValueError: there is no such channel.
    """
    named = [ChannelName(each) for each in dict.fromkeys(channels) if each != HEARTBEAT]
    stand_ins = tuple(each for each in ChannelName if each not in named)
    body = body_of(notice)
    return [
        Entry(
            id=entry_id(notice.alert_id, notice.kind, channel, told_at),
            alert_id=notice.alert_id,
            kind=notice.kind,
            channel=channel,
            escalates_to=stand_ins,
            urgency=urgency_of(notice.severity),
            body=body,
            made_at=made_at,
            is_perhaps_repeated=is_perhaps_repeated,
        )
        for channel in named
    ]


def urgency_of(severity: str) -> int:
    """The number that a severity's notices are ordered by; of one that is not known, the least."""
    return AlertSeverity.__members__.get(severity, AlertSeverity.MEDIUM).value


def put_in(connection: psycopg.Connection[Any], made: Sequence[Entry]) -> int:
    """Puts entries in, in the connection's transaction; returns how many were not in yet.

    Raises:
        psycopg.Error: nothing is put in then.
    """
    return sum(connection.execute(_INSERT, _values(each)).rowcount for each in made)


def _values(entry: Entry) -> dict[str, Any]:
    return {
        "id": entry.id,
        "alert_id": entry.alert_id,
        "kind": entry.kind.value,
        "channel": entry.channel.value,
        "escalates_to": [each.value for each in entry.escalates_to],
        "urgency": entry.urgency,
        "body": Jsonb(entry.body, dumps=_dumped),
        "made_at": entry.made_at,
        "is_perhaps_repeated": entry.is_perhaps_repeated,
        "nonce": entry.nonce,
    }


def _dumped(body: object) -> str:
    """As JSON that the database takes: no lone half of a pair, and no NUL."""
    said = json.dumps(body, ensure_ascii=False, allow_nan=False)
    return said.encode("utf-8", "replace").decode().replace("\\u0000", "\\ufffd")
