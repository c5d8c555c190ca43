"""A notice in the hands of a process, read from its row."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from engine.alerting.channels.channel import ChannelName, Letter
from engine.alerting.notices import NoticeKind

_NAMES: Final = frozenset(each.value for each in ChannelName)
# What `claimed_of` reads, of a table called o.
COLUMNS: Final = """
    o.id, o.alert_id, o.kind, o.channel, o.escalates_to, o.urgency, o.body::text AS body,
    o.made_at, o.is_perhaps_repeated, o.nonce, o.tries AS number
"""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A notice that this process may send, until its claim runs out.

    Attributes:
        letter: what is sent.
        alert_id: of the alert, or of the first of a group.
        kind: why somebody is told.
        channel: where.
        escalates_to: channels that stand in.
        urgency: of its severity.
        made_at: when it was put in.
        number: of this try, from 1.
        claimed_by: by whom.
        is_owed: of one that tells that something is over: whether it was told that it began.
    """

    letter: Letter
    alert_id: UUID
    kind: NoticeKind
    channel: ChannelName
    escalates_to: tuple[ChannelName, ...]
    urgency: int
    made_at: datetime
    number: int
    claimed_by: str
    is_owed: bool = True


def claimed_of(row: Mapping[str, Any], claimed_by: str) -> Claimed:
    """A notice from its row.

    Args:
        row: of `COLUMNS`, by their names.
        claimed_by: who holds the claim.
    """
    return Claimed(
        letter=Letter(
            id=row["id"],
            body=json.loads(row["body"]),
            is_perhaps_repeated=row["is_perhaps_repeated"],
            nonce=row["nonce"],
        ),
        alert_id=row["alert_id"],
        kind=NoticeKind(row["kind"]),
        channel=ChannelName(row["channel"]),
        escalates_to=tuple(
            each for name in row["escalates_to"] for each in ChannelName if each == name
        ),
        urgency=row["urgency"],
        made_at=row["made_at"],
        number=row["number"],
        claimed_by=claimed_by,
    )
