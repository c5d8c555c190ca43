"""Reads that take long, one at a time: they hold a connection of the few that all pages share."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Final

import psycopg

from dashboard import engine_in_process

# How long somebody who asked for it waits.
PATIENCE: Final = timedelta(seconds=30)
_GRACE_S: Final = 5.0
_long_read = threading.BoundedSemaphore()


class BusyError(Exception):
    """Another long read of this process is under way."""


@contextmanager
def long_reading(
    *, wait_s: float, patience: timedelta = PATIENCE
) -> Iterator[psycopg.Connection[Any]]:
    """A connection for a long read, which is the only one of this process.

    Args:
        wait_s: how long another one is waited for.
        patience: how long this one may take.

    Raises:
        BusyError: another long read is under way.
        psycopg.Error: the database could not be asked.
    """
    runtime = engine_in_process.runtime()
    if not _long_read.acquire(timeout=wait_s):
        raise BusyError
    try:
        deadline = runtime.clock.monotonic() + patience.total_seconds() + _GRACE_S
        with runtime.read_pool.connection(deadline) as connection:
            yield connection
    finally:
        _long_read.release()
