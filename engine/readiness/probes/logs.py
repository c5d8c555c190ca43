"""The logs of this host's processes: what they say of themselves."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from engine.log_files import Listed, listed
from engine.log_search import Found, Logged, since
from engine.readiness.probes.probe import Question
from engine.runtime import PROCESS_LOG, log_directory

_ERRORS: Final = frozenset({"error", "critical"})
# Of each look: many times what processes have to say of themselves in a day.
_BYTES_MAX: Final = 64 * 1024 * 1024


def files_of_processes(question: Question) -> list[Listed]:
    """The logs that processes of this host write of themselves, newest first."""
    return listed(log_directory(question.runtime.settings), PROCESS_LOG)


def said_since(question: Question, start: datetime) -> Found:
    """What processes of this host have said of themselves from an instant on, oldest first.

    Where it is cut, what is not there may have been said all the same.
    """
    directory = log_directory(question.runtime.settings)
    return since(directory, start, kind=PROCESS_LOG, bytes_max=_BYTES_MAX)


def why_unread(question: Question, said: Found) -> str | None:
    """Why there may have been errors that nobody found; None where all was read."""
    if said.is_cut:
        return (
            f"Only the newest {said.bytes_read} bytes of the logs were read: older lines may have"
            " errors"
        )
    if not files_of_processes(question):
        return "No process of this host has a log that could have told of an error"
    return None


def errors_of(said: Found, end: datetime) -> list[Logged]:
    """The lines before an instant that tell of an error."""
    return [each for each in said.lines if each.at < end and each.fields.get("level") in _ERRORS]
