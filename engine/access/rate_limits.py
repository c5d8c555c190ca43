"""How often somebody may do something in a minute: agents call, addresses show bad credentials.

Counted in the database, for all processes together. While it cannot be asked, a process counts in
its own memory: then nothing can be saved anyway, and a flood stays bounded. Who was told to wait
is refused until then without being counted or asked for again, since nothing could have changed.
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from typing import Final, NamedTuple

import psycopg
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from psycopg_pool import PoolTimeout

from engine.access.limit_storage import LimitStorage
from engine.clock import Clock
from engine.database.pool import Pool

MINUTE_S: Final = 60
_REMEMBERED: Final = 10_000


class Standing(NamedTuple):
    """How somebody stands with a limit, the request at hand included.

    Attributes:
        per_minute: the limit.
        remaining: how many more would be let in now.
        reset_s: whole seconds until there is more room; at least 1.
        is_refused: whether this one was one too many; it is not counted then, and another has to
            wait for `reset_s`.
    """

    per_minute: int
    remaining: int
    reset_s: int
    is_refused: bool


class _PerMinute(RateLimitItemPerMinute):
    """A limit under whose change nothing is forgotten: the library's own is part of the key."""

    def key_for(self, *identifiers: bytes | str | float) -> str:
        return "/".join(map(str, identifiers))


class RateLimits:
    """Counts against limits; safe to use from any thread."""

    def __init__(self, clock: Clock) -> None:
        """Starts without knowing anybody.

        Args:
            clock: for how long somebody was told to wait.
        """
        self._clock = clock
        self._lock = threading.Lock()
        # When who has to wait no longer, by whom and limit; who was told last comes last.
        self._waiting: OrderedDict[tuple[str, int], float] = OrderedDict()
        self._memory: MovingWindowRateLimiter | None = None

    def count(self, who: str, per_minute: int, pool: Pool, deadline: float) -> Standing:
        """Counts a request, unless it is one too many.

        Args:
            who: is counted, among all that are.
            per_minute: how many requests are let in within any minute.
            pool: lends a connection for one statement.
            deadline: monotonic seconds after which the database is not waited for.
        """
        waits_s = self._still_waits_s(who, per_minute)
        if waits_s > 0:
            return Standing(per_minute, 0, _whole(waits_s), is_refused=True)
        standing, wait_s = self._ask(who, per_minute, pool, deadline)
        if standing.is_refused:
            self._told_to_wait(who, per_minute, wait_s)
        return standing

    def _ask(
        self, who: str, per_minute: int, pool: Pool, deadline: float
    ) -> tuple[Standing, float]:
        item = _PerMinute(per_minute)
        if not pool.is_unreachable:
            storage = LimitStorage(pool, deadline)
            try:
                granted = MovingWindowRateLimiter(storage).hit(item, who)
            except (psycopg.Error, PoolTimeout):
                pass
            else:
                window = storage.window
                wait_s = window.more_room_in_s(per_minute, MINUTE_S)
                remaining = max(per_minute - window.used, 0) if granted else 0
                return Standing(per_minute, remaining, _whole(wait_s), not granted), wait_s
        return self._ask_memory(item, who)

    def _ask_memory(self, item: _PerMinute, who: str) -> tuple[Standing, float]:
        """The same of this process alone, on its wall clock."""
        with self._lock:
            if self._memory is None:
                self._memory = MovingWindowRateLimiter(MemoryStorage())
            memory = self._memory
        granted = memory.hit(item, who)
        stats = memory.get_window_stats(item, who)
        wait_s = min(max(stats.reset_time - self._clock.now().timestamp(), 0.0), float(MINUTE_S))
        remaining = max(stats.remaining, 0) if granted else 0
        return Standing(item.amount, remaining, _whole(wait_s), not granted), wait_s

    def _still_waits_s(self, who: str, per_minute: int) -> float:
        until = self._waiting.get((who, per_minute))
        return 0.0 if until is None else until - self._clock.monotonic()

    def _told_to_wait(self, who: str, per_minute: int, wait_s: float) -> None:
        with self._lock:
            self._waiting[who, per_minute] = self._clock.monotonic() + wait_s
            self._waiting.move_to_end((who, per_minute))
            while len(self._waiting) > _REMEMBERED:
                self._waiting.popitem(last=False)


def _whole(wait_s: float) -> int:
    return max(math.ceil(wait_s), 1)
