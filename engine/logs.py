"""Structured logs on standard error: JSON for machines, coloured lines while a person watches.

Beside, always as JSON, they go to the log files of the process. What belongs to an attempt carries
its correlation id; the attempt's own line is another one, see `engine.attempts.lines`.

No log line carries a payload, a secret or a database message: PostgreSQL's messages quote values.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
import traceback
from contextlib import suppress
from typing import Literal

import psycopg
import structlog

from engine.log_files import LogFile


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


class FileBeside:
    """A step of structlog that writes each line to a file, too, and goes on."""

    def __init__(self, file: LogFile) -> None:
        self._file = file
        self._render = structlog.processors.JSONRenderer()
        self._lost = 0  # in a row

    def __call__(
        self, logger: structlog.types.WrappedLogger, name: str, event: structlog.types.EventDict
    ) -> structlog.types.EventDict:
        """Writes one line; the first of those that cannot be written is told on standard error."""
        # A character that is none, from a caller's own id, must not lose the line.
        line = str(self._render(logger, name, dict(event))).encode(errors="replace")
        fault = self._file.append(line)
        if fault is None:
            self._lost = 0
            return event
        self._lost += 1
        if self._lost == 1:
            told = {"event": "log_lines_lost", "kind": "process", "error": fault}
            StandardError().msg(json.dumps({**told, "level": "warning"}))
        return event


def configure_logs(log_format: Literal["json", "console"], file: LogFile | None = None) -> None:
    """Sets up logging for the process; called once, by a command.

    Args:
        log_format: of standard error.
        file: where every line goes, too.
    """
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
            *([] if file is None else [FileBeside(file)]),
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
