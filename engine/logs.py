"""Structured logs on standard error: JSON for machines, coloured lines while a person watches.

No log line carries a payload, a secret or a database message: PostgreSQL's messages quote values.
"""

from __future__ import annotations

import logging
import sys
import threading
import traceback
from contextlib import suppress
from typing import Literal

import psycopg
import structlog


class StandardError:
    """Writes log lines to standard error as it is at that moment.

    A line that cannot be written is lost: a full disk behind standard error, or a reader that has
    gone, must not fail a save or end a background job.
    """

    _lock = threading.Lock()  # one for the process: its lines do not mix

    def msg(self, line: str) -> None:
        """Writes one line."""
        with self._lock, suppress(OSError, ValueError):  # ValueError: the stream is closed
            sys.stderr.write(line + "\n")
            sys.stderr.flush()

    debug = info = warning = error = critical = msg


def configure_logs(log_format: Literal["json", "console"]) -> None:
    """Sets up logging for the process; called once, by a command."""
    renderer: structlog.types.Processor = (
        structlog.processors.JSONRenderer()
        if log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=lambda *_names: StandardError(),
        cache_logger_on_first_use=True,
    )
    # The pool reports each failed connection at length; the saves' own refusals say it already.
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)


def report(correlation_id: str, error: BaseException) -> None:
    """Logs what should never happen: which error, where in our code, under which id."""
    frames = traceback.extract_tb(error.__traceback__)
    structlog.get_logger().error(
        "unexpected_error",
        correlation_id=correlation_id,
        error=type(error).__name__,
        sqlstate=error.sqlstate if isinstance(error, psycopg.Error) else None,
        where=[f"{frame.name}:{frame.lineno}" for frame in frames[-8:]],
    )
