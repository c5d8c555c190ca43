"""Whether somebody is told of an alert now, and why or why not; pure.

An alert is told once when it begins to fire, again when what muted it is over while it still fires,
and then at intervals until somebody has acknowledged it. Its end is told to whoever was told of its
beginning, also under a silence: nobody has to be spared good news, and what was opened somewhere on
our word has to be closed there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from engine.alerting.notices import NoticeKind
from engine.alerting.rules import AlertSeverity

# As long as somebody may have overlooked it without harm: of what loses saves right now not even
# the length of a meal, of what can wait for the morning a day.
REPEAT_AFTER: Final[Mapping[AlertSeverity, timedelta]] = MappingProxyType(
    {
        AlertSeverity.CRITICAL: timedelta(minutes=30),
        AlertSeverity.HIGH: timedelta(hours=2),
        AlertSeverity.MEDIUM: timedelta(hours=24),
    }
)


class Why(StrEnum):
    """Why somebody is told, or is not."""

    BEGINS = "it begins to fire"
    STILL_FIRES = "it still fires, and what muted it is over"
    AGAIN = "it still fires, and the repeat interval is over"
    OVER = "it is over"
    MUTED = "a silence or its cause mutes it"
    HANDLED = "somebody has acknowledged it"
    RECENT = "somebody was told a moment ago"
    NEVER_TOLD = "nobody was told that it fires"


@dataclass(frozen=True, slots=True)
class Telling:
    """Whether somebody is told.

    Attributes:
        kind: as what; None for not at all.
        why: why, or why not.
    """

    kind: NoticeKind | None
    why: Why


def of_firing(
    severity: AlertSeverity,
    now: datetime,
    *,
    is_new: bool,
    is_muted: bool,
    is_acknowledged: bool,
    told_at: datetime | None,
) -> Telling:
    """Whether somebody is told that an alert fires.

    Args:
        severity: how loudly it speaks.
        now: the present instant.
        is_new: whether it begins with this look.
        is_muted: whether a silence or a cause holds it back.
        is_acknowledged: whether somebody has it in hand.
        told_at: when somebody was last told; None if never.
    """
    if is_muted:
        return Telling(None, Why.MUTED)
    if told_at is None:
        # Acknowledged or not: whoever did it saw it on a page, the channels know nothing of it.
        return Telling(NoticeKind.FIRING, Why.BEGINS if is_new else Why.STILL_FIRES)
    if is_acknowledged:
        return Telling(None, Why.HANDLED)
    if now - told_at >= REPEAT_AFTER[severity]:
        return Telling(NoticeKind.REPEAT, Why.AGAIN)
    return Telling(None, Why.RECENT)


def of_end(told_at: datetime | None) -> Telling:
    """Whether somebody is told that an alert is over.

    Args:
        told_at: when somebody was last told that it fires; None if never.
    """
    if told_at is None:
        return Telling(None, Why.NEVER_TOLD)
    return Telling(NoticeKind.RESOLVED, Why.OVER)
