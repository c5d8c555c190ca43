"""How fast an agent may send, per process.

A moving minute, kept by the `limits` library in this process's memory. Several API processes each
allow the whole limit; sharing it is a matter of another storage behind the same call.
"""

from __future__ import annotations

from typing import Final
from uuid import UUID

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from engine.clock import Clock
from engine.errors import ErrorCode, Refusal

_SECONDS_MAX: Final = 60


class RateLimits:
    """Counts an agent's requests; safe to use from any thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def refusal(self, agent_id: UUID, per_minute: int | None) -> Refusal | None:
        """Counts one request; RATE_LIMIT_EXCEEDED when it is one too many.

        Args:
            agent_id: who sends.
            per_minute: the agent's limit, None for none.
        """
        if per_minute is None:
            return None
        limit = RateLimitItemPerMinute(per_minute)
        if self._limiter.hit(limit, str(agent_id)):
            return None
        reset_at = self._limiter.get_window_stats(limit, str(agent_id)).reset_time
        wait = reset_at - self._clock.now().timestamp()
        seconds = min(max(int(wait) + 1, 1), _SECONDS_MAX)
        return Refusal(
            ErrorCode.RATE_LIMIT_EXCEEDED,
            f"This agent may send {per_minute} requests a minute; wait {seconds} seconds.",
            {"limitPerMinute": per_minute, "retryAfterSeconds": seconds},
        )
