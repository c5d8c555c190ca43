"""What a database error means: the whole table, before and after the write was sent."""

from __future__ import annotations

import psycopg
import psycopg_pool
import pytest
from psycopg import errors

from engine.database.sqlstate import Failure, Remedy, WaitTimeout, classify
from engine.errors import ErrorCode

PERSISTENCE = ErrorCode.QUOTE_PERSISTENCE_FAILED
TIMEOUT = ErrorCode.DATABASE_TIMEOUT
ABORTED = ErrorCode.DATABASE_TRANSACTION_ABORTED
INTERNAL = ErrorCode.INTERNAL_ERROR

# code → the SQLSTATEs that mean it and that leave nothing in doubt: the server said no.
REFUSED = {
    PERSISTENCE: "23000 23001 23502 23503 23514 23P01 53000 53100 53200 53300 53400 54000 54001"
    " 54011 54023 58000 58030 58P01 58P02 25000 25001 25006 25P01 25P02",
    TIMEOUT: "57014 55P03 25P03 25P04",
    INTERNAL: "42601 42703 42P01 42501 42883 22003 22001 22P02 22021 0A000 26000 28000 28P01 3D000"
    " 40000 40002 55000 55006 57000 P0001 F0000 HV000 01000 02000 21000 24000 34000 2BP01",
}
# Whoever said it may have committed before.
UNKNOWN = (
    "08000 08001 08003 08004 08006 08007 08P01 57P01 57P02 57P03 57P04 57P05 XX000 XX001 XX002"
)


def database_error(state: str) -> psycopg.Error:
    """An error as the driver raises it for a SQLSTATE."""
    try:
        known: type[psycopg.Error] = errors.lookup(state)
    except KeyError:  # a server may say what the driver has never heard of
        known = type("Unheard", (psycopg.OperationalError,), {"sqlstate": state})
    return known("made for the test")


@pytest.mark.parametrize(
    ("state", "code"),
    [(state, code) for code, states in REFUSED.items() for state in states.split()],
)
@pytest.mark.parametrize("write_was_sent", [False, True])
def test_what_the_server_refused_is_refused(
    state: str, code: ErrorCode, *, write_was_sent: bool
) -> None:
    failure = classify(database_error(state), write_was_sent=write_was_sent)

    assert failure == Failure(code, Remedy.REFUSE)


@pytest.mark.parametrize("state", ["40001", "40P01"])
@pytest.mark.parametrize("write_was_sent", [False, True])
def test_a_deadlock_or_a_serialization_failure_is_tried_again(
    state: str, *, write_was_sent: bool
) -> None:
    failure = classify(database_error(state), write_was_sent=write_was_sent)

    assert failure == Failure(ABORTED, Remedy.RETRY)


@pytest.mark.parametrize("write_was_sent", [False, True])
def test_a_taken_key_is_looked_into(*, write_was_sent: bool) -> None:
    failure = classify(errors.UniqueViolation(), write_was_sent=write_was_sent)

    assert failure == Failure(PERSISTENCE, Remedy.RECONSIDER)


@pytest.mark.parametrize("state", UNKNOWN.split())
def test_a_lost_server_leaves_doubt_only_when_it_may_have_had_the_write(state: str) -> None:
    error = database_error(state)

    assert classify(error, write_was_sent=False) == Failure(PERSISTENCE, Remedy.REFUSE)
    assert classify(error, write_was_sent=True) == Failure(PERSISTENCE, Remedy.RESOLVE)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (psycopg.OperationalError("the connection is lost"), PERSISTENCE),
        (errors.ConnectionTimeout("connecting took too long"), PERSISTENCE),
        (psycopg_pool.PoolClosed("closed"), PERSISTENCE),
        (WaitTimeout("waited too long"), TIMEOUT),
        (psycopg.InterfaceError("the connection is closed"), INTERNAL),
        (psycopg.InternalError("a statement returned nothing"), INTERNAL),
        (psycopg.DataError("a text with NUL"), INTERNAL),
        (psycopg.ProgrammingError("a parameter is missing"), INTERNAL),
        (psycopg.Error("whatever"), INTERNAL),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_an_error_of_the_drivers_own_leaves_doubt_once_the_write_was_sent(
    error: psycopg.Error, code: ErrorCode
) -> None:
    assert error.sqlstate is None
    assert classify(error, write_was_sent=False) == Failure(code, Remedy.REFUSE)
    assert classify(error, write_was_sent=True) == Failure(code, Remedy.RESOLVE)


def test_waiting_in_vain_for_a_connection_leaves_nothing_in_doubt() -> None:
    failure = classify(psycopg_pool.PoolTimeout(), write_was_sent=False)

    assert failure == Failure(TIMEOUT, Remedy.REFUSE)


def test_an_error_that_is_not_the_databases_is_internal() -> None:
    assert classify(ValueError("x"), write_was_sent=False) == Failure(INTERNAL, Remedy.REFUSE)


def test_the_message_of_an_error_decides_nothing() -> None:
    polite = errors.DiskFull("deadlock detected; could not serialize access; timeout; 40001")

    assert classify(polite, write_was_sent=True) == Failure(PERSISTENCE, Remedy.REFUSE)


def test_every_remedy_is_somebodys() -> None:
    seen = {
        classify(database_error(state), write_was_sent=True).remedy
        for state in ("23514", "40001", "08006", "23505")
    }

    assert seen == set(Remedy)
