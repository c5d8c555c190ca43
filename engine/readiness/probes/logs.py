"""The logs of this host's processes: what they say of themselves."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from engine.log_search import Logged, since
from engine.readiness.probes.probe import Question
from engine.runtime import PROCESS_LOG, log_directory

_ERRORS: Final = frozenset({"error", "critical"})
# Of each look: many times what processes have to say of themselves in a day.
_BYTES_MAX: Final = 64 * 1024 * 1024


def errors_between(question: Question, start: datetime, end: datetime) -> list[Logged]:
    """The lines of processes of this host that tell of an error, oldest first."""
    return [
        line
        for line in lines_since(question, start)
        if line.at < end and line.fields.get("level") in _ERRORS
    ]


def lines_since(question: Question, start: datetime) -> tuple[Logged, ...]:
    """What processes of this host have said of themselves from an instant on, oldest first."""
    directory = log_directory(question.runtime.settings)
    return since(directory, start, kind=PROCESS_LOG, bytes_max=_BYTES_MAX).lines
