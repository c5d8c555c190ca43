"""What the screens read, cached: the database's load does not grow with the number of viewers."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import psycopg
import streamlit as st
from psycopg_pool import PoolTimeout

from dashboard import engine_in_process
from dashboard.wording import LIMITS, Freshness
from engine.attempts import summary
from engine.attempts.summary import Summary
from engine.database.pool import Unreachable
from engine.quotes.lifecycle import Operation
from engine.runtime import Runtime

# Screens refresh every two seconds. Something as old as that would answer one refresh in two with
# the numbers of the one before, because browsers are not that punctual.
_FRESH_S: Final = 1.5
# A screen waits no longer for its numbers; then it says that there are none.
_PATIENCE_S: Final = 3.0
_VIEWS_KEPT: Final = 16


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


class _Memory:
    """What was read last, and since when nothing can be; one for the process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._summaries: dict[tuple[int, Operation | None], Summary] = {}
        self._freshness = Freshness()

    def succeeded(self, window_s: int, found: Summary) -> Freshness:
        with self._lock:
            self._summaries[window_s, found.operation] = found
            self._freshness = Freshness()
            return self._freshness

    def failed(
        self, window_s: int, operation: Operation | None, failure: Freshness
    ) -> tuple[Summary | None, Freshness]:
        with self._lock:
            if not self._freshness.is_stale:
                self._freshness = failure
            return self._summaries.get((window_s, operation)), self._freshness


@st.cache_resource(show_spinner=False)
def _memory() -> _Memory:
    return _Memory()


def now() -> datetime:
    """The present instant, by the engine's clock."""
    return engine_in_process.runtime().clock.now()


def last_attempts(window: timedelta, operation: Operation | None) -> Reading:
    """The attempts of the window that ends now, at most a second and a half old.

    While the database does not answer, the last numbers are kept and say since when.

    Args:
        window: how far back, in whole seconds.
        operation: the only one to look at; all if None.

    Raises:
        RuntimeError: this process has no engine.
    """
    name = None if operation is None else operation.name
    return _last_attempts(int(window.total_seconds()), name)


# The reading is frozen, so viewers may share it; a copy for each would cost as much as reading it.
@st.cache_resource(ttl=_FRESH_S, max_entries=_VIEWS_KEPT, show_spinner=False)
def _last_attempts(window_s: int, operation_name: str | None) -> Reading:
    runtime = engine_in_process.runtime()
    operation = None if operation_name is None else Operation[operation_name]
    waiting = len(runtime.journal.spooled()) + len(runtime.journal.in_doubt())
    try:
        found = _read(runtime, timedelta(seconds=window_s), operation)
    except psycopg.Error as error:
        failure = Freshness(runtime.clock.now(), _reason(error))
        kept, freshness = _memory().failed(window_s, operation, failure)
        return Reading(kept, freshness, waiting)
    return Reading(found, _memory().succeeded(window_s, found), waiting)


def _read(runtime: Runtime, window: timedelta, operation: Operation | None) -> Summary:
    with runtime.read_pool.connection(runtime.clock.monotonic() + _PATIENCE_S) as connection:
        return summary.read(
            connection,
            end=runtime.clock.now(),
            window=window,
            limits=LIMITS,
            operation=operation,
        )


def _reason(error: psycopg.Error) -> str:
    """Why there are no numbers; never the database's own words, which may quote a value."""
    match error:
        case Unreachable():
            return "The database has not accepted a connection"
        case PoolTimeout():
            return "No connection to the database has been free"
        case psycopg.OperationalError():
            return "The database has not answered"
        case _:
            return f"The database has refused to answer ({type(error).__name__})"
