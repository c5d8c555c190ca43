"""What a database error means for a save, by SQLSTATE and by how far the save had come.

Never by message text: a sharding proxy rewrites messages and drops constraint names.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

import psycopg
import psycopg_pool
from psycopg import errors

from engine.errors import ErrorCode


class Remedy(Enum):
    """What the engine itself does next."""

    REFUSE = "tell the caller"
    RETRY = "run the whole closure again"
    RESOLVE = "ask a fresh connection what became of it"
    RECONSIDER = "a unique key was taken: find out which, and by whom"


class Failure(NamedTuple):
    """A database error, understood."""

    code: ErrorCode
    remedy: Remedy


_TIMEOUTS = frozenset({"57014", "55P03", "25P03", "25P04"})
_ABORTED = frozenset({"40001", "40P01"})
# Connection lost, server going down, internal error of a node at COMMIT.
_OUTCOME_UNKNOWN_CLASSES = ("08", "57P", "XX")
# Constraint violated, resources exhausted, standby instead of primary, in-failed-transaction.
_NOT_STORED_CLASSES = ("23", "53", "54", "58", "25")
# With these a server process ends. A full or broken disk that refuses a statement leaves nothing;
# one that fails while the commit is flushed ends the server with the commit in its log.
_LAST_WORDS = frozenset({"FATAL", "PANIC"})


def classify(error: Exception, *, write_was_sent: bool) -> Failure:
    """Understands an error of the database layer.

    Args:
        error: what was raised.
        write_was_sent: whether the server may have had the write when the error came.
    """
    if isinstance(error, psycopg_pool.PoolTimeout):
        return Failure(ErrorCode.DATABASE_TIMEOUT, Remedy.REFUSE)
    if not isinstance(error, psycopg.Error):
        return Failure(ErrorCode.INTERNAL_ERROR, Remedy.REFUSE)
    state = error.sqlstate
    if state is None:
        return _without_state(error, write_was_sent=write_was_sent)
    failure = _with_state(state, write_was_sent=write_was_sent)
    if write_was_sent and error.diag.severity_nonlocalized in _LAST_WORDS:
        return failure._replace(remedy=Remedy.RESOLVE)
    return failure


def _with_state(state: str, *, write_was_sent: bool) -> Failure:
    if state in _ABORTED:
        return Failure(ErrorCode.DATABASE_TRANSACTION_ABORTED, Remedy.RETRY)
    if state in _TIMEOUTS:
        return Failure(ErrorCode.DATABASE_TIMEOUT, Remedy.REFUSE)
    if state == "23505":
        return Failure(ErrorCode.QUOTE_PERSISTENCE_FAILED, Remedy.RECONSIDER)
    if state.startswith(_OUTCOME_UNKNOWN_CLASSES):
        remedy = Remedy.RESOLVE if write_was_sent else Remedy.REFUSE
        return Failure(ErrorCode.QUOTE_PERSISTENCE_FAILED, remedy)
    if state.startswith(_NOT_STORED_CLASSES):
        return Failure(ErrorCode.QUOTE_PERSISTENCE_FAILED, Remedy.REFUSE)
    return Failure(ErrorCode.INTERNAL_ERROR, Remedy.REFUSE)


def _without_state(error: psycopg.Error, *, write_was_sent: bool) -> Failure:
    """An error of the driver's own: the line broke, we stopped waiting, or it was misused."""
    if isinstance(error, WaitTimeout):
        code = ErrorCode.DATABASE_TIMEOUT
    elif isinstance(error, psycopg.OperationalError):
        code = ErrorCode.QUOTE_PERSISTENCE_FAILED
    else:
        code = ErrorCode.INTERNAL_ERROR
    # The server has not said no, whatever the driver calls it.
    return Failure(code, Remedy.RESOLVE if write_was_sent else Remedy.REFUSE)


# What psycopg raises when `Connection.wait` outlives its timeout; it has no public name.
WaitTimeout: type[psycopg.OperationalError] = errors._WaitTimeout  # noqa: SLF001
