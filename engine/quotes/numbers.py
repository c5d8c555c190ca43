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
from typing import Any, Final
from uuid import UUID

import psycopg
from sqlalchemy import BigInteger, Integer, bindparam, cast, func, select
from sqlalchemy.dialects.postgresql import insert

from engine.database.sql import Statement, parameter, table_of, whole, word
from engine.errors import ErrorCode, Refusal
from engine.quotes.lifecycle import Status
from engine.quotes.tables import Quote, QuoteNumberBlock

BLOCK_MIN: Final = 8
BLOCK_MAX: Final = 256
_AGENTS_REMEMBERED: Final = 10_000
# How many agents can be given a block at the same moment, and how long a thread waits for another
# one to fetch it. Then it fetches one, too: better a quota overshot than a save that waits.
_FETCHES: Final = 64
_FETCH_S: Final = 1.0

# Statuses in which a quote still asks for somebody's attention, and so counts for the quota.
ACTIVE: Final = (Status.DRAFT, Status.SENT, Status.REJECTED)

_block = table_of(QuoteNumberBlock)
_quote = table_of(Quote)

_TAKE: Final = Statement(
    (
        taken := insert(_block).values(
            {column.name: parameter(_block, column.name) for column in _block.columns}
        )
    )
    .on_conflict_do_update(
        index_elements=["agent_id", "year"],
        set_={"given": _block.c.given + taken.excluded.given},
    )
    .returning(_block.c.given)
)
_pattern = parameter(_quote, "quote_number")
_CATCH_UP: Final = Statement(
    (
        highest := insert(_block).from_select(
            ["agent_id", "year", "given"],
            select(
                parameter(_block, "agent_id"),
                parameter(_block, "year"),
                func.coalesce(
                    func.max(cast(func.substring(_quote.c.quote_number, _pattern), Integer)),
                    whole(0),
                ),
            ).where(_quote.c.agent_id == parameter(_block, "agent_id")),
        )
    ).on_conflict_do_update(
        index_elements=["agent_id", "year"],
        set_={"given": func.greatest(_block.c.given, highest.excluded.given)},
    )
)
_GIVEN: Final = Statement(
    select(func.coalesce(func.sum(_block.c.given), whole(0))).where(
        _block.c.agent_id == parameter(_block, "agent_id")
    )
)
_ACTIVE_UP_TO: Final = Statement(
    select(func.count()).select_from(
        select(_quote.c.id)
        .where(
            _quote.c.agent_id == parameter(_quote, "agent_id"),
            _quote.c.status.in_([word(status) for status in ACTIVE]),
        )
        .limit(bindparam("most", type_=BigInteger()))
        .subquery("active")
    )
)


class QuoteNumbers:
    """The numbers that this process may still hand out; safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._free: OrderedDict[tuple[UUID, int], list[int]] = OrderedDict()
        self._last_size: dict[tuple[UUID, int], int] = {}
        self._collided: set[tuple[UUID, int]] = set()
        # Threads that run out together must not be granted a block each: the quota would be
        # overshot by all of them.
        self._fetching = tuple(threading.Lock() for _ in range(_FETCHES))

    def take(
        self, connection: psycopg.Connection[Any], agent_id: UUID, year: int, quota: int
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

    def _fetch(
        self, connection: psycopg.Connection[Any], place: tuple[UUID, int], quota: int
    ) -> bool:
        """Adds a block to the numbers in hand; False when the quota allows none."""
        agent_id, year = place
        if place in self._collided:
            # Numbers with more digits are not of our making.
            pattern = f"^QT-{year}-([0-9]{{6,9}})$"
            values = {"agent_id": agent_id, "year": year, "quote_number": pattern}
            _CATCH_UP.run(connection, values)
        size = min(max(self._last_size.get(place, 0) * 2, BLOCK_MIN), BLOCK_MAX)
        granted = _grant(connection, agent_id, quota, size)
        if granted <= 0:
            return False
        given = _scalar(connection, _TAKE, {"agent_id": agent_id, "year": year, "given": granted})
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


def quota_exceeded(quota: int) -> Refusal:
    """The refusal of one active quote too many."""
    return Refusal(
        ErrorCode.QUOTA_EXCEEDED,
        f"All {quota} active quotes of this agent are used; archive some or have it raised.",
        {"maxActiveQuotes": quota},
    )


def _grant(connection: psycopg.Connection[Any], agent_id: UUID, quota: int, wanted: int) -> int:
    """How many numbers the quota allows now, at most `wanted`.

    All numbers ever given bound the active quotes from above, so counting quotes starts only once
    an agent has been given as many as its quota.
    """
    if _scalar(connection, _GIVEN, {"agent_id": agent_id}) + wanted <= quota:
        return wanted
    active = _scalar(connection, _ACTIVE_UP_TO, {"agent_id": agent_id, "most": quota})
    return min(wanted, quota - active)


def _scalar(
    connection: psycopg.Connection[Any], statement: Statement, values: dict[str, Any]
) -> int:
    row = statement.run(connection, values).fetchone()
    if row is None:
        raise psycopg.InternalError("a statement that always returns a row returned none")
    return int(row[0])
