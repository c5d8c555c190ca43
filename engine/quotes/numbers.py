"""Quote numbers `QT-YYYY-NNNNNN`, unique per agent, taken from the database in blocks.

A number for each create from one counter row would make an agent's saves wait for each other. A
block costs one short statement per up to `BLOCK_MAX` creates; what a process has not used when it
ends is lost, which is allowed. The same blocks carry the quota: they are granted only while the
agent has fewer active quotes than its quota allows, so the check costs nothing per create. The
quota can be overshot by the creates that are under way at that moment, and by what other processes
hold, at most a block each.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Final
from uuid import UUID

from engine.database.pool import EngineConnection
from engine.errors import Refusal
from engine.quotes.blocks import catch_up, take_block
from engine.quotes.quota import Quotas, quota_exceeded

BLOCK_MIN: Final = 8
BLOCK_MAX: Final = 256
_AGENTS_REMEMBERED: Final = 10_000
# How many agents can be given a block at the same moment, and how long a thread waits for another
# one to fetch it. Then it fetches one, too: better a quota overshot than a save that waits.
_FETCHES: Final = 64
_FETCH_S: Final = 1.0


class QuoteNumbers:
    """The numbers that this process may still hand out; safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._free: OrderedDict[tuple[UUID, int], list[int]] = OrderedDict()
        self._last_size: dict[tuple[UUID, int], int] = {}
        self._collided: set[tuple[UUID, int]] = set()
        self._quotas = Quotas()
        # Threads that run out together must not be granted a block each: the quota would be
        # overshot by all of them.
        self._fetching = tuple(threading.Lock() for _ in range(_FETCHES))

    def take(
        self, connection: EngineConnection, agent_id: UUID, year: int, quota: int
    ) -> str | Refusal:
        """The next number of an agent's year, or QUOTA_EXCEEDED.

        Raises:
            psycopg.Error: a block was needed and could not be had.
        """
        place = (agent_id, year)
        while (number := self._next(place)) is None:
            fetching = self._fetching[hash(place) % _FETCHES]
            is_alone = fetching.acquire(timeout=_FETCH_S)
            try:
                if not self._free.get(place) and not self._fetch(connection, place, quota):
                    return quota_exceeded(quota)
            finally:
                if is_alone:
                    fetching.release()
        return f"QT-{year}-{number:06d}"

    def forget(self, agent_id: UUID, year: int) -> None:
        """Drops the block in hand: a number of it was taken by somebody else.

        The next block starts behind the highest number that the agent's quotes have.
        """
        with self._lock:
            self._free.pop((agent_id, year), None)
            self._collided.add((agent_id, year))
        self._quotas.forget(agent_id)

    def _fetch(self, connection: EngineConnection, place: tuple[UUID, int], quota: int) -> bool:
        """Adds a block to the numbers in hand; False when the quota allows none."""
        agent_id, year = place
        if place in self._collided:
            catch_up(connection, agent_id, year)
        wanted = min(max(self._last_size.get(place, 0) * 2, BLOCK_MIN), BLOCK_MAX)
        granted = self._quotas.grant(connection, agent_id, quota, wanted)
        if granted <= 0:
            return False
        given = take_block(connection, agent_id, year, granted)
        with self._lock:
            self._collided.discard(place)
            self._last_size[place] = granted
            self._free.setdefault(place, []).extend(range(given, given - granted, -1))
            self._free.move_to_end(place)
            if len(self._free) > _AGENTS_REMEMBERED:
                forgotten, _ = self._free.popitem(last=False)
                self._last_size.pop(forgotten, None)
        return True

    def _next(self, place: tuple[UUID, int]) -> int | None:
        with self._lock:
            free = self._free.get(place)
            return free.pop() if free else None
