"""When the engine tries a save again by itself: a pure schedule."""

from __future__ import annotations

from dataclasses import dataclass

from engine.clock import Clock
from engine.settings import Settings


@dataclass(frozen=True, slots=True)
class RetrySchedule:
    """Full jitter, doubling, within the save's deadline.

    Only deadlocks and serialization failures are tried again, and the whole closure with its
    decisions: the second try reads what the first one lost to.

    Attributes:
        limit: retries after the first try.
        delay_s: upper bound of the first delay, in seconds.
        deadline: monotonic seconds by which the save must be over.
    """

    limit: int
    delay_s: float
    deadline: float

    @classmethod
    def of(cls, settings: Settings, deadline: float) -> RetrySchedule:
        """The schedule that the settings ask for."""
        return cls(settings.retry_limit, settings.retry_delay.total_seconds(), deadline)

    def delay(self, retries: int, now: float, chance: float) -> float | None:
        """Seconds to wait before the next try, or None when there is none.

        Args:
            retries: retries already made.
            now: monotonic seconds.
            chance: from 0 to 1; spreads the losers of a deadlock, so that they do not meet again.
        """
        if retries >= self.limit:
            return None
        delay = chance * self.delay_s * 2**retries
        return delay if now + delay < self.deadline else None


def chance(clock: Clock) -> float:
    """A fair number from 0 up to 1."""
    return int.from_bytes(clock.token(4), "big") / 2**32
