"""When a notice is tried again, and when no more: pure functions of what has happened so far."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from engine.alerting.channels.channel import FailureReason
from engine.alerting.notices import NoticeKind

# Doubling beyond this changes nothing any more, and would not fit into a float some day.
_DOUBLINGS_MAX: Final = 20


@dataclass(frozen=True, slots=True)
class Patience:
    """How long, and how often, something is tried.

    Attributes:
        tries: after so many failed ones it has failed for good.
        age: counted from when it was put in.
    """

    tries: int
    age: timedelta


# Somebody else can be told instead, and should be while it still matters.
_WITH_STAND_IN: Final = Patience(8, timedelta(minutes=5))
# Nobody else can: a night without network must not lose what happened in it.
_LAST: Final = Patience(2_000, timedelta(hours=24))
# Somebody waits in front of a screen.
_TEST: Final = Patience(5, timedelta(minutes=2))


@dataclass(frozen=True, slots=True)
class Timing:
    """How delivery is timed; other values are for tests and benches.

    Attributes:
        lease: how long a claim holds. Longer than any send takes, or it would be sent twice.
        delay_first: before the second try, before chance.
        delay_max: the most that doubling comes to.
        hold_first: how long a channel is left alone that has failed several times in a row.
        hold_max: the most that doubling comes to.
        forgiven: failures in a row that are nothing yet: they may be about single notices.
        grace: after which a process without a channel's settings says that nobody has them.
    """

    lease: timedelta = timedelta(seconds=60)
    delay_first: timedelta = timedelta(seconds=1)
    delay_max: timedelta = timedelta(seconds=60)
    hold_first: timedelta = timedelta(seconds=1)
    hold_max: timedelta = timedelta(seconds=30)
    forgiven: int = 3
    grace: timedelta = timedelta(seconds=30)


def patience(kind: NoticeKind, *, has_stand_in: bool) -> Patience:
    """How long a notice is worth trying.

    Args:
        kind: of the notice.
        has_stand_in: whether another channel is told when it fails here.
    """
    if kind is NoticeKind.TEST:
        return _TEST
    return _WITH_STAND_IN if has_stand_in else _LAST


def next_try(
    tries: int,
    made_at: datetime,
    now: datetime,
    chance: float,
    after: timedelta | None,
    allowed: Patience,
    timing: Timing,
) -> datetime | FailureReason:
    """When to try again, or why not.

    Args:
        tries: made so far, at least 1, all of them failed.
        made_at: when the notice was put in.
        now: the present instant.
        chance: from 0 to 1, so that what failed together does not come back together.
        after: what the channel asked for; never sooner.
        allowed: how long it is worth trying.
        timing: of delays.
    """
    if tries >= allowed.tries:
        return FailureReason.TOO_OFTEN
    delay = _doubled(timing.delay_first, timing.delay_max, tries - 1) * (0.5 + chance / 2)
    at = now + max(delay, after or timedelta(0))
    return FailureReason.TOO_OLD if at > made_at + allowed.age else at


def hold(failures: int, chance: float, timing: Timing) -> timedelta:
    """How long a channel is left alone.

    What waits for it is not tried meanwhile: each try costs a timeout, and counts.

    Args:
        failures: of tries in a row, on that channel.
        chance: from 0 to 1.
        timing: of holds.
    """
    if failures < timing.forgiven:
        return timedelta(0)
    doubled = _doubled(timing.hold_first, timing.hold_max, failures - timing.forgiven)
    return doubled * (0.5 + chance / 2)


def _doubled(first: timedelta, most: timedelta, times: int) -> timedelta:
    return min(first * (1 << min(times, _DOUBLINGS_MAX)), most)
