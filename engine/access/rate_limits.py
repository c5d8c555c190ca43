"""How fast an agent may send, per process.

A moving minute of elapsed time, kept in this process's memory: setting the machine's clock changes
nothing about it. Several API processes each allow the whole limit.
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from engine.clock import Clock
from engine.errors import ErrorCode, Refusal

_WINDOW_S: Final = 60.0
# Requests within a second of each other are remembered together and leave the minute with the last
# of them. So no agent costs more than 61 such groups, however high its limit; and none is ever
# given more than its limit in a minute, though it may be given room up to a second late.
_GROUP_S: Final = 1.0


class RateLimits:
    """Counts an agent's requests; safe to use from any thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        # Whose latest request is the oldest comes first.
        self._minutes: OrderedDict[UUID, _Minute] = OrderedDict()

    def refusal(self, agent_id: UUID, per_minute: int | None) -> Refusal | None:
        """Counts one request; RATE_LIMIT_EXCEEDED, uncounted, when it is one too many.

        Args:
            agent_id: who sends.
            per_minute: the agent's limit, None for none.
        """
        if per_minute is None:
            return None
        with self._lock:
            now = self._clock.monotonic()
            self._forget_idle_agents(now)
            minute = self._minutes.setdefault(agent_id, _Minute())
            wait_s = minute.wait_s(now, per_minute)
            if wait_s <= 0:
                minute.add(now)
                self._minutes.move_to_end(agent_id)
                return None
        seconds = max(math.ceil(wait_s), 1)
        return Refusal(
            ErrorCode.RATE_LIMIT_EXCEEDED,
            f"This agent may send {per_minute} requests a minute; wait {seconds} seconds.",
            {"limitPerMinute": per_minute, "retryAfterSeconds": seconds},
        )

    def _forget_idle_agents(self, now: float) -> None:
        while self._minutes:
            agent_id, minute = next(iter(self._minutes.items()))
            if not minute.is_over(now):
                return
            del self._minutes[agent_id]


@dataclass(slots=True)
class _Group:
    """Requests that came within a second: when the first and the last of them did, and how many."""

    first: float
    last: float
    count: int


@dataclass(slots=True)
class _Minute:
    """What an agent has sent in the last minute, oldest first; never empty between two calls."""

    groups: deque[_Group] = field(default_factory=deque)

    def is_over(self, now: float) -> bool:
        """Whether nothing of it counts any more."""
        return now - self.groups[-1].last >= _WINDOW_S

    def wait_s(self, now: float, most: int) -> float:
        """Seconds until another request is allowed; 0 when one is now."""
        while self.groups and now - self.groups[0].last >= _WINDOW_S:
            self.groups.popleft()
        count = sum(group.count for group in self.groups)
        wait_s = 0.0
        for group in self.groups:
            if count < most:
                break
            count -= group.count
            wait_s = _WINDOW_S - (now - group.last)
        return wait_s

    def add(self, now: float) -> None:
        """Counts a request."""
        if self.groups and now - self.groups[-1].first < _GROUP_S:
            self.groups[-1].last = now
            self.groups[-1].count += 1
        else:
            self.groups.append(_Group(now, now, 1))
