"""How often a receiver lets itself be sent to: a value that is asked before, and told after."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple


class Allowance(NamedTuple):
    """So many in any stretch of time so long.

    Attributes:
        times: how many.
        period: in how long.
    """

    times: int
    period: timedelta


class Pace:
    """Remembers when was sent, for as long as that matters; used by one thread.

    Other processes that send to the same receiver have a pace of their own. Where they are too
    fast together the receiver says so, and is obeyed.
    """

    def __init__(self, allowances: Sequence[Allowance]) -> None:
        self._allowances = tuple(allowances)
        self._sent: deque[float] = deque(maxlen=max((each.times for each in allowances), default=1))
        self._held_until = 0.0

    def wait(self, now: float) -> float:
        """Seconds until another may be sent, 0 when it may now.

        Args:
            now: monotonic seconds.
        """
        until = self._held_until
        for times, period in self._allowances:
            if len(self._sent) >= times:
                until = max(until, self._sent[-times] + period.total_seconds())
        return max(until - now, 0.0)

    def sent(self, now: float) -> None:
        """Takes note that something is sent."""
        self._sent.append(now)

    def hold(self, until: float) -> None:
        """Nothing is sent before then, in monotonic seconds: the receiver has asked for it."""
        self._held_until = max(self._held_until, until)
