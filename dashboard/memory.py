"""The memory of what was read last: one read for all viewers, and something to show meanwhile.

Viewers ask; a thread of the memory's own asks the database, once for all of them. So nobody waits
longer than a glance while there are numbers to show: Streamlit fades a page whose refresh takes
longer, and in an outage its words are needed most.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from math import inf
from typing import Any, Final, Generic, TypeVar, cast

import psycopg
import streamlit as st
from psycopg_pool import PoolTimeout

from dashboard.status import Freshness
from engine.database.pool import Unreachable
from engine.rollups.restored import RestoredError
from engine.runtime import Runtime

T = TypeVar("T")
Read = Callable[[psycopg.Connection[Any]], T]

# Screens refresh every two seconds. Something as old as that would answer one refresh in two with
# the numbers of the one before, because browsers are not that punctual.
_FRESH_S: Final = 1.5
# Streamlit begins to fade a page half a second after its refresh has begun.
_GLANCE_S: Final = 0.4
# What was told longer ago is not shown again without waiting for a newer answer; three of the
# slower refreshes.
_RECENT_S: Final = 30.0
# The database gets no longer to answer; then it has not answered.
_PATIENCE_S: Final = 3.0
# A read that ends in time is heard of in time, also when the processor is busy.
_GRACE_S: Final = 1.0
_OF_NOW: Final = Freshness()
_NOT_ANSWERED: Final = "the database has not answered"
# Reads at once, as many as the pool for reads lends connections.
_READERS: Final = 4
# What nobody has asked for so long is forgotten: an answer may take megabytes.
_FORGOTTEN_S: Final = 300.0


@dataclass(frozen=True, slots=True)
class Known(Generic[T]):
    """What is known in answer to a question.

    Attributes:
        value: the newest answer; None if there was never one.
        freshness: whether it is of the present.
    """

    value: T | None
    freshness: Freshness


@dataclass(slots=True)
class _Kept:
    """What is known in answer to a question, and the read that will know better."""

    asked: Future[None] | None = None
    asked_at: float = -inf
    told_at: float = -inf
    value: object = None
    freshness: Freshness = _OF_NOW


def recall(runtime: Runtime, question: Hashable, read: Read[T]) -> Known[T]:
    """What is known in answer to a question, at most a second and a half old.

    While the database does not answer, the last answer is kept and says since when.

    Args:
        runtime: the engine to read from.
        question: what tells it from others; two that are equal are read alike.
        read: asks the database, on a connection in autocommit.
    """
    value, freshness = _memory().look(runtime, question, read)
    return Known(cast("T | None", value), freshness)


def remembered(question: Hashable) -> object:
    """The newest answer to a question, whether or not it is of the present; nobody is asked.

    Returns:
        None if there was never one.
    """
    return _memory().peek(question)


class _Memory:
    """What was read last, and since when nothing can be; one for the process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="reader")
        self._kept: dict[Hashable, _Kept] = {}
        self._outage: Freshness | None = None

    def look(
        self, runtime: Runtime, question: Hashable, read: Read[Any]
    ) -> tuple[object, Freshness]:
        """What is known once there was time to ask."""
        kept, asked, is_recent = self._ask(runtime, question, read)
        try:
            asked.result(_GLANCE_S if is_recent else _PATIENCE_S + _GRACE_S)
        except TimeoutError:
            if not is_recent:
                self._failed(runtime, kept, _NOT_ANSWERED)
        with self._lock:
            return kept.value, kept.freshness

    def peek(self, question: Hashable) -> object:
        """What is known without asking."""
        with self._lock:
            kept = self._kept.get(question)
            return None if kept is None else kept.value

    def _ask(
        self, runtime: Runtime, question: Hashable, read: Read[Any]
    ) -> tuple[_Kept, Future[None], bool]:
        """The read that is under way, or a new one if the last is not fresh any more.

        Returns:
            What is known, the read, and whether the former may be shown without the latter.
        """
        with self._lock:
            now = runtime.clock.monotonic()
            self._forget(now)
            kept = self._kept.setdefault(question, _Kept())
            kept.asked_at, age = now, now - kept.told_at
            if kept.asked is None or (kept.asked.done() and age >= _FRESH_S):
                kept.asked = self._readers.submit(self._read, runtime, read, kept)
            return kept, kept.asked, age < _RECENT_S

    def _forget(self, now: float) -> None:
        old = [
            each
            for each, kept in self._kept.items()
            if now - kept.asked_at > _FORGOTTEN_S and kept.asked and kept.asked.done()
        ]
        for each in old:
            del self._kept[each]

    def _read(self, runtime: Runtime, read: Read[Any], kept: _Kept) -> None:
        try:
            with runtime.read_pool.connection(runtime.clock.monotonic() + _PATIENCE_S) as opened:
                found = read(opened)
        except psycopg.Error as error:
            self._failed(runtime, kept, _reason(error))
        else:
            self._succeeded(runtime, kept, found)

    def _succeeded(self, runtime: Runtime, kept: _Kept, found: object) -> None:
        with self._lock:
            self._outage = None
            kept.value, kept.freshness = found, _OF_NOW
            kept.told_at = runtime.clock.monotonic()

    def _failed(self, runtime: Runtime, kept: _Kept, reason: str) -> None:
        """Others may have had no answer before: all are stale since the first of them was."""
        with self._lock:
            if self._outage is None:
                self._outage = Freshness(runtime.clock.now(), reason)
            kept.freshness = self._outage
            kept.told_at = runtime.clock.monotonic()


@st.cache_resource(show_spinner=False)
def _memory() -> _Memory:
    return _Memory()


def _reason(error: psycopg.Error) -> str:
    """Why there are no numbers; never the database's own words, which may quote a value."""
    match error:
        case Unreachable():
            return "the database has not accepted a connection"
        case RestoredError():
            return "the ledger was restored and waits for: saveguard rollup rebuild"
        case PoolTimeout():
            return "no connection to the database has been free"
        case psycopg.OperationalError():
            return _NOT_ANSWERED
        case _:
            return f"the database has refused to answer ({type(error).__name__})"
