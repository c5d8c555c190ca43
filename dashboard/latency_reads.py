"""What the page of durations reads; see `memory`."""

from __future__ import annotations

import threading
from collections import OrderedDict
from datetime import timedelta
from typing import Any, Final, NamedTuple

import psycopg
import streamlit as st

from dashboard import engine_in_process
from dashboard.memory import Known, recall
from dashboard.viewer import Viewer
from engine.access.roles import Permission
from engine.clock import Clock
from engine.rollups import latency, slowest
from engine.rollups.grid import window_until
from engine.rollups.latency import Latency
from engine.rollups.selection import Filter
from engine.rollups.series import looking
from engine.rollups.slowest import Dropped, Search, SlowAttempt

# As many as can be compared at a glance; each may be a span of the ledger to read.
_NUMBER: Final = 15
# Of as many views the ledger's rows are remembered.
_KEPT: Final = 32


class Slowest(NamedTuple):
    """The slowest attempts of a window.

    Attributes:
        attempts: slowest first.
        dropped: what can not be among them any more; None if nothing was dropped.
    """

    attempts: tuple[SlowAttempt, ...]
    dropped: Dropped | None


def durations(viewer: Viewer, length: timedelta, wanted: Filter) -> Known[Latency]:
    """How long the attempts of the window that ends now took.

    Args:
        viewer: who asks.
        length: how far back.
        wanted: which attempts to look at.

    Raises:
        RuntimeError: this process has no engine.
        PermissionError: the viewer may not see numbers.
    """
    if not viewer.may(Permission.SEE_NUMBERS):
        raise PermissionError
    runtime = engine_in_process.runtime()

    def read(connection: psycopg.Connection[Any]) -> Latency:
        with looking(connection) as look:
            return latency.read(look, runtime.clock.now(), length, wanted)

    return recall(runtime, ("latency", length, wanted), read)


def slowest_attempts(viewer: Viewer, length: timedelta, wanted: Filter) -> Known[Slowest] | None:
    """The slowest attempts of the window that ends now.

    They are a question of their own: the ledger may take longer to answer than the rollups. It is
    not asked for who may not read the ledger; they get None.

    Args:
        viewer: who asks.
        length: how far back.
        wanted: which attempts to look at.

    Raises:
        RuntimeError: this process has no engine.
    """
    if not viewer.may(Permission.READ_LEDGER):
        return None
    runtime, found = engine_in_process.runtime(), _found()
    return recall(
        runtime,
        ("slowest", length, wanted),
        lambda connection: found.read(connection, runtime.clock, length, wanted),
    )


class _Found:
    """The rows that searches found: the same search finds the same rows, see `slowest.Search`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rows: OrderedDict[Search, tuple[SlowAttempt, ...]] = OrderedDict()

    def read(
        self,
        connection: psycopg.Connection[Any],
        clock: Clock,
        length: timedelta,
        wanted: Filter,
    ) -> Slowest:
        """The slowest attempts; the ledger is asked only if the rollups point elsewhere."""
        with looking(connection) as look:
            window = window_until(clock.now(), length)
            search = slowest.search(connection, look, window, wanted, _NUMBER)
            with self._lock:
                rows = self._rows.pop(search, None)
            if rows is None:
                rows = tuple(slowest.fetch(connection, search))
        with self._lock:
            self._rows[search] = rows
            while len(self._rows) > _KEPT:
                self._rows.popitem(last=False)
        return Slowest(rows, search.dropped)


@st.cache_resource(show_spinner=False)
def _found() -> _Found:
    return _Found()
