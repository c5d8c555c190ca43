"""How many attempts are usual in a stretch of time: what came in it in the weeks before; pure.

That nobody comes says nothing at a time at which nobody ever does. So an absence is held against
the same stretch 7 and 14 days ago, as far as the ledger reaches back: the lower one of both counts,
for one of them may have been unusual itself. In its first week a service is held against its
quietest day so far, and in its first day against nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from engine.rollups.grid import Tier, Window, floor, oldest

# So many attempts have to be usual where there are none. If each came by itself, 14 would do: by
# chance there are none once in a million times. But somebody who works on a quote saves ten times
# and is gone; see docs/decisions/0024-alert-rules.md for what was measured.
MEANINGFUL: Final = 150
# What the rollups can tell to the minute of two weeks ago; they keep minutes for 15 days.
LONGEST: Final = timedelta(days=1)
_WEEKS: Final = (timedelta(days=7), timedelta(days=14))
# How far back anything is compared.
REACH: Final = _WEEKS[-1] + LONGEST
_DAYS: Final = tuple(timedelta(days=number) for number in range(1, 7))


class Usual(NamedTuple):
    """How many attempts are usual in a stretch of time.

    Attributes:
        attempts: None while the ledger does not reach back far enough to say.
    """

    attempts: int | None

    @property
    def is_meaningful(self) -> bool:
        """Whether it means something that there are none of them."""
        return self.attempts is not None and self.attempts >= MEANINGFUL


def compared(since: datetime, now: datetime, begins: datetime | None) -> tuple[Window, ...]:
    """The stretches of time that one up to now is held against, to the minute.

    Args:
        since: when it began; of a longer one than `LONGEST` the end counts.
        now: when it ends.
        begins: when the first attempts came that there are; None if there are none.
    """
    if begins is None:
        return ()
    first = max(since, now - LONGEST)
    ago = [each for each in _WEEKS if first - each >= begins]
    ago = ago or [each for each in _DAYS if first - each >= begins]
    return tuple(_on_the_grid(first - each, now - each, now) for each in ago)


def lowest(attempts: Iterable[int]) -> Usual:
    """What is usual, by what came in each stretch that counts."""
    return Usual(min(attempts, default=None))


def _on_the_grid(start: datetime, end: datetime, now: datetime) -> Window:
    """The stretch in whole minutes, without what is too old to be told by the minute."""
    first = floor(start, Tier.MINUTE)
    kept = oldest(Tier.MINUTE, now)
    return Window(first if kept is None else max(first, kept), floor(end, Tier.MINUTE))
