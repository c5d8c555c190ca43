"""What the screens read: one query for all viewers, and the memory of what was read last.

Viewers ask; a thread of the memory's own asks the database, once for all of them. So nobody waits
longer than a glance while there are numbers to show: Streamlit fades a page whose refresh takes
longer, and in an outage its words are needed most.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from math import inf
from typing import Final, NamedTuple

import psycopg
import streamlit as st
from psycopg_pool import PoolTimeout

from dashboard import engine_in_process
from dashboard.status import Freshness
from dashboard.wording import LIMITS
from engine.attempts import summary
from engine.attempts.summary import Summary
from engine.database.pool import Unreachable
from engine.quotes.lifecycle import Operation
from engine.runtime import Runtime

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


@dataclass(frozen=True, slots=True)
class Reading:
    """The newest numbers there are.

    Attributes:
        summary: None if none were ever read.
        freshness: whether they are of the present.
        waiting: attempts of this process that the ledger has yet to take.
    """

    summary: Summary | None
    freshness: Freshness
    waiting: int


class _Question(NamedTuple):
    """What pages ask; they offer a few windows and operations, so there are few of these."""

    window: timedelta
    operation: Operation | None


@dataclass(slots=True)
class _Kept:
    """What is known in answer to a question, and the read that will know better."""

    asked: Future[None] | None = None
    told_at: float = -inf
    summary: Summary | None = None
    freshness: Freshness = _OF_NOW


class _Memory:
    """What was read last, and since when nothing can be; one for the process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="reader")
        self._kept: dict[_Question, _Kept] = {}
        self._outage: Freshness | None = None

    def look(self, runtime: Runtime, question: _Question) -> tuple[Summary | None, Freshness]:
        """What is known once there was time to ask."""
        kept, asked, is_recent = self._ask(runtime, question)
        try:
            asked.result(_GLANCE_S if is_recent else _PATIENCE_S + _GRACE_S)
        except TimeoutError:
            if not is_recent:
                self._failed(runtime, kept, _NOT_ANSWERED)
        with self._lock:
            return kept.summary, kept.freshness

    def _ask(self, runtime: Runtime, question: _Question) -> tuple[_Kept, Future[None], bool]:
        """The read that is under way, or a new one if the last is not fresh any more.

        Returns:
            What is known, the read, and whether the former may be shown without the latter.
        """
        with self._lock:
            kept = self._kept.setdefault(question, _Kept())
            age = runtime.clock.monotonic() - kept.told_at
            if kept.asked is None or (kept.asked.done() and age >= _FRESH_S):
                kept.asked = self._readers.submit(self._read, runtime, question, kept)
            return kept, kept.asked, age < _RECENT_S

    def _read(self, runtime: Runtime, question: _Question, kept: _Kept) -> None:
        try:
            found = _read(runtime, question)
        except psycopg.Error as error:
            self._failed(runtime, kept, _reason(error))
        else:
            self._succeeded(runtime, kept, found)

    def _succeeded(self, runtime: Runtime, kept: _Kept, found: Summary) -> None:
        with self._lock:
            self._outage = None
            kept.summary, kept.freshness = found, _OF_NOW
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


def last_attempts(window: timedelta, operation: Operation | None) -> Reading:
    """The attempts of the window that ends now, at most a second and a half old.

    While the database does not answer, the last numbers are kept and say since when.

    Args:
        window: how far back.
        operation: the only one to look at; all if None.

    Raises:
        RuntimeError: this process has no engine.
    """
    runtime = engine_in_process.runtime()
    found, freshness = _memory().look(runtime, _Question(window, operation))
    waiting = len(runtime.journal.spooled()) + len(runtime.journal.in_doubt())
    return Reading(found, freshness, waiting)


def _read(runtime: Runtime, question: _Question) -> Summary:
    with runtime.read_pool.connection(runtime.clock.monotonic() + _PATIENCE_S) as connection:
        return summary.read(
            connection,
            end=runtime.clock.now(),
            window=question.window,
            limits=LIMITS,
            operation=question.operation,
        )


def _reason(error: psycopg.Error) -> str:
    """Why there are no numbers; never the database's own words, which may quote a value."""
    match error:
        case Unreachable():
            return "the database has not accepted a connection"
        case PoolTimeout():
            return "no connection to the database has been free"
        case psycopg.OperationalError():
            return _NOT_ANSWERED
        case _:
            return f"the database has refused to answer ({type(error).__name__})"
