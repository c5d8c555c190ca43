"""The states of a quote and what may be done in each.

                 update            update
                 ┌──┐              ┌──┐
                 │  ▼     send     │  ▼
    create ──▶  DRAFT ──▶ SENT ──▶ REJECTED
                  │        │ │        │
                  │ delete │ │ expire │ delete
                  ▼        │ ▼        ▼
             CANCELLED     │ EXPIRED  CANCELLED
                           ▼
                        ACCEPTED

The picture and `TRANSITIONS` are compared by a test.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum, StrEnum
from types import MappingProxyType

from engine.errors import ErrorCode, Refusal


class Status(StrEnum):
    """Where a quote stands."""

    DRAFT = "DRAFT"
    SENT = "SENT"
    ACCEPTED = "ACCEPTED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"
    CANCELLED = "CANCELLED"


class Operation(IntEnum):
    """What an attempt wanted to do; the number is what the ledger stores."""

    CREATE = 1
    UPDATE = 2
    DELETE = 3
    SEND = 4
    ACCEPT = 5
    REJECT = 6
    EXPIRE = 7


# operation -> status before -> status after; what is not here is refused.
TRANSITIONS: Mapping[Operation, Mapping[Status, Status]] = MappingProxyType(
    {
        Operation.CREATE: {},
        Operation.UPDATE: {Status.DRAFT: Status.DRAFT, Status.REJECTED: Status.REJECTED},
        Operation.DELETE: {Status.DRAFT: Status.CANCELLED, Status.REJECTED: Status.CANCELLED},
        Operation.SEND: {Status.DRAFT: Status.SENT},
        Operation.ACCEPT: {Status.SENT: Status.ACCEPTED},
        Operation.REJECT: {Status.SENT: Status.REJECTED},
        Operation.EXPIRE: {Status.SENT: Status.EXPIRED},
    }
)

# These on a sent quote are the one mistake with a code of its own: the client has the offer.
_CHANGES_WHAT_WAS_SENT = frozenset({Operation.UPDATE, Operation.DELETE, Operation.SEND})


def refusal_code(operation: Operation, status: Status) -> ErrorCode | None:
    """The code that refuses an operation in a status, or None when it is allowed."""
    if status in TRANSITIONS[operation]:
        return None
    if status is Status.CANCELLED:
        return ErrorCode.QUOTE_NOT_FOUND
    if status is Status.SENT and operation in _CHANGES_WHAT_WAS_SENT:
        return ErrorCode.QUOTE_ALREADY_SENT
    return ErrorCode.QUOTE_STATE_INVALID


def quote_not_found() -> Refusal:
    """The one answer for a quote that is absent, deleted or another agent's."""
    return Refusal(ErrorCode.QUOTE_NOT_FOUND, "There is no such quote; reload the list.")


def state_refusal(operation: Operation, status: Status) -> Refusal | None:
    """Why the operation is refused in this status, or None when it is allowed."""
    code = refusal_code(operation, status)
    if code is None:
        return None
    if code is ErrorCode.QUOTE_NOT_FOUND:
        return quote_not_found()
    details = {
        "currentStatus": status.value,
        "allowedStatuses": [allowed.value for allowed in TRANSITIONS[operation]],
    }
    verb = operation.name.lower()
    if code is ErrorCode.QUOTE_ALREADY_SENT:
        return Refusal(code, f"The quote was already sent; {verb} a copy instead.", details)
    return Refusal(code, f"A quote that is {status} does not allow {verb}; reload it.", details)
