"""The logs of this host's processes: what they say of themselves."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from engine.log_search import Found, Logged, since
from engine.readiness.probes.probe import Question
from engine.runtime import PROCESS_LOG, log_directory

_ERRORS: Final = frozenset({"error", "critical"})
# Of each look: many times what processes have to say of themselves in a day.
_BYTES_MAX: Final = 64 * 1024 * 1024


def said_since(question: Question, start: datetime) -> Found:
    """What processes of this host have said of themselves from an instant on, oldest first.

    Where it is cut, what is not there may have been said all the same.
    """
    directory = log_directory(question.runtime.settings)
    return since(directory, start, kind=PROCESS_LOG, bytes_max=_BYTES_MAX)


def errors_of(said: Found, end: datetime) -> list[Logged]:
    """The lines before an instant that tell of an error."""
    return [each for each in said.lines if each.at < end and each.fields.get("level") in _ERRORS]
