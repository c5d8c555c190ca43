"""When a tick is due; pure.

Ticks of all processes are one series: whoever comes first when one is due takes it. A tick that
comes late says by how much, and the next one is counted from it, so that a time without ticks is
not made up for by a burst of them.
"""

from __future__ import annotations

from datetime import datetime, timedelta


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
