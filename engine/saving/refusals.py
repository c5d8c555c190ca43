"""The refusals that a save itself can end with, in words."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final
from uuid import UUID

import psycopg

from engine.attempts.ledger import AttemptRow
from engine.errors import TAXONOMY, ErrorCode, Refusal
from engine.quotes.lifecycle import Operation, Status, quote_not_found, state_refusal
from engine.quotes.record import WIRE_NAMES
from engine.saving import statements
from engine.saving.decision import conflict_with
from engine.saving.write import Verdict

# A conflict names the fields changed since; a stale tab from long ago gets the newest of them.
_REVISIONS_NAMED: Final = 50

_CODES: Final = {meaning.number: code for code, meaning in TAXONOMY.items()}

_FAILURES: Final = {
    ErrorCode.QUOTE_PERSISTENCE_FAILED: "The quote could not be stored; nothing was changed.",
    ErrorCode.DATABASE_TIMEOUT: "The database took too long; nothing was changed.",
    ErrorCode.DATABASE_TRANSACTION_ABORTED: (
        "The database aborted the save, also when it was tried again; nothing was changed."
    ),
    ErrorCode.INTERNAL_ERROR: "Something went wrong on our side; quote the correlation id.",
}


def from_failure(code: ErrorCode) -> Refusal:
    """We could not, and it is certain that nothing was changed."""
    action = TAXONOMY[code].action
    words = _FAILURES[code]
    return Refusal(code, words if code is ErrorCode.INTERNAL_ERROR else f"{words} {action}")


def indeterminate() -> Refusal:
    """Nobody could say in time whether the save was committed.

    The code is a CRITICAL one, which a caller's program shows and does not send again by itself:
    without an idempotency key that might save a second quote.
    """
    return Refusal(
        ErrorCode.QUOTE_PERSISTENCE_FAILED,
        "The line to the database broke and it could not be asked in time whether the quote was"
        " saved. Reload the quote before trying again, or retry with the same Idempotency-Key.",
        {"outcome": "indeterminate"},
    )


def journal_full() -> Refusal:
    """The local journal cannot be written, so nothing may be begun."""
    return Refusal(
        ErrorCode.QUOTE_PERSISTENCE_FAILED,
        "The save could not be journaled (is the disk full?); nothing was changed.",
    )


def client_not_found() -> Refusal:
    """The one answer for a client that is absent, archived or another agent's."""
    return Refusal(ErrorCode.CLIENT_NOT_FOUND, "There is no such active client; choose another.")


def from_verdict(
    operation: Operation, verdict: Verdict, quote_id: UUID, expected_version: int
) -> Refusal:
    """What the writing statement decided, in words."""
    match verdict.code:
        case ErrorCode.QUOTE_NOT_FOUND:
            return quote_not_found()
        case ErrorCode.CLIENT_NOT_FOUND:
            return client_not_found()
        case ErrorCode.QUOTE_CONFLICT_VERSION:
            return conflict_with(
                quote_id,
                expected_version,
                verdict.version or 0,
                verdict.last_modified_by or "",
                verdict.last_modified_at,
            )
        case ErrorCode.QUOTE_ALREADY_SENT | ErrorCode.QUOTE_STATE_INVALID:
            refusal = state_refusal(operation, Status(verdict.status or ""))
            return refusal or from_failure(ErrorCode.INTERNAL_ERROR)
        case _:
            return from_failure(ErrorCode.INTERNAL_ERROR)


def from_row(row: AttemptRow) -> Refusal:
    """What the ledger says of an attempt whose own words were lost with the line."""
    code = _CODES.get(row.error_code or 0, ErrorCode.INTERNAL_ERROR)
    if code in _FAILURES:
        return from_failure(code)
    meaning = TAXONOMY[code]
    details: dict[str, Any] = {
        name: value
        for name, value in (
            ("quoteId", None if row.quote_id is None else str(row.quote_id)),
            ("expectedVersion", row.expected_version),
            ("actualVersion", row.actual_version),
        )
        if value is not None
    }
    return Refusal(code, f"{meaning.when} {meaning.action}", details, row.http_status or 0)


def with_winner(
    connection: psycopg.Connection[Any],
    refusal: Refusal,
    agent_id: UUID,
    *,
    http_status: int,
) -> Refusal:
    """Adds to a conflict who saved since, under which correlation id, and which fields.

    What cannot be found out is left out: the refusal stands without it.
    """
    refusal = replace(refusal, http_status=http_status)
    details = refusal.details
    try:
        newer = (
            statements.newer_revisions(_REVISIONS_NAMED)
            .run(
                connection,
                {
                    "agent_id": agent_id,
                    "quote_id": details["quoteId"],
                    "expected_version": details["expectedVersion"],
                },
            )
            .fetchall()
        )
    except psycopg.Error:
        return refusal
    if not newer:
        return refusal
    changed = {WIRE_NAMES.get(name, name) for row in newer for name in row[4].split(",") if name}
    return replace(
        refusal,
        details={
            **details,
            "lastModifiedBy": newer[0][1],
            "lastModifiedAt": newer[0][2],
            "winnerCorrelationId": newer[0][3],
            "changedFields": sorted(changed),
        },
    )
