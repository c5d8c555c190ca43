"""When a tick is due; pure.

Ticks of all processes are one series: whoever comes first when one is due takes it. A tick that
comes late says by how much, and the next one is counted from it, so that a time without ticks is
not made up for by a burst of them.

Their clocks may be apart. How long there has been no tick is known without them to whoever has
looked before: it saw another number.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from math import inf
from typing import NamedTuple


class Newest(NamedTuple):
    """The newest tick as one process has seen it, in monotonic seconds of that process.

    Attributes:
        number: of the tick.
        began_at: when it began, as far as that can be told.
        looked_at: when it was looked for last.
    """

    number: int
    began_at: float
    looked_at: float


def newest(before: Newest | None, number: int, age_s: float, looked_at: float) -> Newest:
    """What is known of the newest tick after another look.

    Args:
        before: what was known of it; None at the first look, which has to believe the clocks.
        number: of the newest tick.
        age_s: how long ago it began, by the clocks.
        looked_at: when this look is, in monotonic seconds.
    """
    if before is not None and before.number == number:
        return before._replace(looked_at=looked_at)
    most = inf if before is None else looked_at - before.looked_at
    return Newest(number, looked_at - min(max(age_s, 0.0), most), looked_at)


def due_after(due_at: datetime, started_at: datetime, interval: timedelta) -> datetime:
    """When the tick after one is due.

    Args:
        due_at: when that one was.
        started_at: when it began.
        interval: from one to the next.
    """
    return (due_at if started_at - due_at < interval else started_at) + interval


def is_due(due_at: datetime, now: datetime, interval: timedelta) -> bool:
    """Whether a tick is due; also when a clock that was set back would make it wait for long."""
    return now >= due_at or due_at - now > interval
