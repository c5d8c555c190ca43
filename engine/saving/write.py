"""The write of a save, in its two forms behind one function.

`one-statement` is the fastest on one PostgreSQL; `several-statements` is the fastest on Citus and
the only one behind a pooler in transaction mode. Both pass the same tests.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

import msgspec
import psycopg

from engine.attempts import ledger
from engine.attempts.ledger import AttemptRow
from engine.database.pool import session_settings
from engine.errors import TAXONOMY, ErrorCode
from engine.payload import encode
from engine.quotes.lifecycle import TRANSITIONS, Operation, Status, refusal_code
from engine.quotes.record import COLUMNS
from engine.saving import statements
from engine.saving.decision import Plan
from engine.saving.statements import DECIDED, SAVED
from engine.settings import Settings

_JSON_COLUMNS: Final = (
    "flights",
    "hotels",
    "activities",
    "transfers",
    "car_rentals",
    "custom_items",
    "insurance",
    "inclusions",
    "exclusions",
)
_CODES: Final = {meaning.number: code for code, meaning in TAXONOMY.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """Everything that a write needs.

    Attributes:
        operation: what the save does.
        plan: what to write.
        attempt: the attempt's row as it is when the save is written; where that writes it, it is
            afterwards what the ledger has.
        elapsed: microseconds that the attempt, and the database, have taken until it is called.
        conflict_status: HTTP status of a version conflict (409, or 412 after If-Match).
        row_if_refused: whether a refusal's attempt row may be written at once.
        keyed: the idempotency key's part, when the caller gave a key.
    """

    operation: Operation
    plan: Plan
    attempt: AttemptRow
    elapsed: Callable[[], tuple[int, int]]
    conflict_status: int
    row_if_refused: bool
    keyed: Keyed | None


@dataclass(frozen=True, slots=True)
class Keyed:
    """What is stored under the idempotency key; the key itself is in the attempt's row."""

    fingerprint: bytes
    response: bytes
    expires_at: datetime


class Verdict(NamedTuple):
    """What became of a write; the last four say how the quote stood before it."""

    number: int
    status: str | None
    version: int | None
    last_modified_by: str | None
    last_modified_at: datetime | None

    @property
    def is_saved(self) -> bool:
        """Whether the quote was written."""
        return self.number == SAVED

    @property
    def code(self) -> ErrorCode:
        """The refusing code; only of a refusal."""
        return _CODES[self.number]


# Moving a quote on does not ask whether its client is still active; writing its content does.
_CHECKS_CLIENT: Final = frozenset({Operation.CREATE, Operation.UPDATE})

Sending = Callable[[], None]


def write_save(
    connection: psycopg.Connection[Any], write: Write, settings: Settings, sending: Sending
) -> tuple[Verdict, bool]:
    """Writes a save, or learns why not.

    Args:
        connection: in autocommit, idle.
        write: what to write.
        settings: which form, and the timeouts of a transaction.
        sending: called right before the server may commit; from then on a broken line leaves the
            outcome in doubt.

    Returns:
        The verdict, and whether the attempt's row is written.

    Raises:
        psycopg.Error: classify it.
    """
    if settings.write_form == "one-statement" and settings.pooler == "none":
        return _in_one(connection, write, sending)
    return _in_several(connection, write, settings, sending)


def _in_one(
    connection: psycopg.Connection[Any], write: Write, sending: Sending
) -> tuple[Verdict, bool]:
    creates = write.operation is Operation.CREATE
    build = statements.create_in_one if creates else statements.change_in_one
    sending()
    statement = build(keyed=write.keyed is not None, has_queue=ledger.has_queue(connection))
    row = statement.run(connection, _values(write)).fetchone()
    if row is None:
        raise psycopg.InternalError("a save always returns its verdict")
    told = len(Verdict._fields)
    is_row_written = row[told]
    if is_row_written:
        for name, value in zip(DECIDED, row[told + 1 :], strict=True):
            setattr(write.attempt, name, value)
    return Verdict(*row[:told]), is_row_written


def _in_several(
    connection: psycopg.Connection[Any], write: Write, settings: Settings, sending: Sending
) -> tuple[Verdict, bool]:
    values = _values(write)
    with connection.transaction():
        for statement in session_settings(settings, local=True):
            connection.execute(statement)
        verdict = _decide(connection, write, values)
        if not verdict.is_saved:
            return verdict, False
        if write.operation is Operation.CREATE:
            statements.create_quote().run(connection, values)
        elif statements.change_quote().run(connection, values).rowcount != 1:
            raise psycopg.InternalError("the row was locked and judged, yet not written")
        statements.insert_revision().run(connection, values)
        if write.keyed is not None:
            statements.insert_key().run(connection, values)
        # In the one-statement form the server adds its own time; here we have waited for it.
        write.attempt.duration_us, write.attempt.database_us = write.elapsed()
        if not ledger.insert(connection, write.attempt):
            raise psycopg.errors.UniqueViolation("the attempt was closed by somebody else")
        sending()
    return verdict, True


def _decide(connection: psycopg.Connection[Any], write: Write, values: dict[str, Any]) -> Verdict:
    """Locks the quote and decides as the one statement does."""
    before: tuple[Any, ...] = (None, None, None, None)
    code: ErrorCode | None = None
    if write.operation is not Operation.CREATE:
        row = statements.lock_current().run(connection, values).fetchone()
        before = row or before
        if row is None:
            code = ErrorCode.QUOTE_NOT_FOUND
        else:
            code = refusal_code(write.operation, Status(row[0]))
            if code is None and row[1] != write.plan.expected_version:
                code = ErrorCode.QUOTE_CONFLICT_VERSION
    if code is None:
        fits = statements.client_fits().run(connection, values).fetchone()
        if fits is None or not fits[0]:
            code = ErrorCode.CLIENT_NOT_FOUND
    return Verdict(SAVED if code is None else TAXONOMY[code].number, *before)


def _values(write: Write) -> dict[str, Any]:
    """The parameters of every statement of the write."""
    record = write.plan.record
    values: dict[str, Any] = dict(zip(COLUMNS, msgspec.structs.astuple(record), strict=True))
    for name in _JSON_COLUMNS:
        if values[name] is not None:
            values[name] = encode(values[name]).decode()
    values.update(ledger.parameters(write.attempt))
    detail = write.plan.detail
    values["detail"] = None if detail is None else encode(detail).decode()
    values["checked_client_id"] = record.client_id if write.operation in _CHECKS_CLIENT else None
    values["row_if_refused"] = write.row_if_refused
    values["conflict_status"] = write.conflict_status
    if write.operation is Operation.CREATE:
        values["named_quote_id"] = None
    else:
        values["named_quote_id"] = record.id
        values["expected_version"] = write.plan.expected_version
        values["allowed_statuses"] = _ALLOWED[write.operation]
        values["verdict_if_sent"] = _IF_SENT[write.operation]
    if write.keyed is not None:
        values["fingerprint"] = write.keyed.fingerprint
        values["response"] = write.keyed.response
        values["key_expires_at"] = write.keyed.expires_at
    return values


# As a text, which PostgreSQL reads as an array: cheaper than adapting a list on every save.
_ALLOWED: Final = {
    operation: "{" + ",".join(allowed) + "}" for operation, allowed in TRANSITIONS.items()
}
_IF_SENT: Final = {
    operation: TAXONOMY[refusal_code(operation, Status.SENT) or ErrorCode.INTERNAL_ERROR].number
    for operation in Operation
}
