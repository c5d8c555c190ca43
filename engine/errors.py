"""Every way a save can be refused, and what the caller should do about it.

    Refusal (a value, never raised inside the save)
    ├── the caller can fix it
    │   ├── QUOTE_VALIDATION_FAILED   CURRENCY_INVALID   PRICING_VALIDATION_FAILED
    │   ├── ITEMS_INCONSISTENT        CLIENT_NOT_FOUND   QUOTE_NOT_FOUND
    │   └── QUOTE_STATE_INVALID       QUOTE_ALREADY_SENT
    ├── somebody was faster
    │   └── QUOTE_CONFLICT_VERSION
    ├── the caller may not
    │   ├── AUTHENTICATION_FAILED     AUTHORIZATION_FAILED   AGENT_NOT_FOUND
    │   └── QUOTA_EXCEEDED            RATE_LIMIT_EXCEEDED
    └── we could not
        ├── QUOTE_PERSISTENCE_FAILED  DATABASE_TIMEOUT
        ├── DATABASE_TRANSACTION_ABORTED
        └── INTERNAL_ERROR            (anything unclassified)

A refusal is data: it is returned, answered and written to the ledger. Two exceptions stand beside
it: `SetupError` for an operator whose command cannot start, and whatever a broken invariant raises.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from types import MappingProxyType
from typing import Any


class Severity(IntEnum):
    """How loudly a refusal speaks; the number is what the ledger stores."""

    INFO = 1
    WARN = 2
    HIGH = 3
    CRITICAL = 4


class ErrorCode(StrEnum):
    """The semantic codes; nothing else ever reaches a caller."""

    QUOTE_VALIDATION_FAILED = "QUOTE_VALIDATION_FAILED"
    QUOTE_STATE_INVALID = "QUOTE_STATE_INVALID"
    QUOTE_CONFLICT_VERSION = "QUOTE_CONFLICT_VERSION"
    QUOTE_ALREADY_SENT = "QUOTE_ALREADY_SENT"
    QUOTE_PERSISTENCE_FAILED = "QUOTE_PERSISTENCE_FAILED"
    DATABASE_TIMEOUT = "DATABASE_TIMEOUT"
    DATABASE_TRANSACTION_ABORTED = "DATABASE_TRANSACTION_ABORTED"
    AUTHENTICATION_FAILED = "AUTHENTICATION_FAILED"
    AUTHORIZATION_FAILED = "AUTHORIZATION_FAILED"
    CLIENT_NOT_FOUND = "CLIENT_NOT_FOUND"
    AGENT_NOT_FOUND = "AGENT_NOT_FOUND"
    QUOTE_NOT_FOUND = "QUOTE_NOT_FOUND"
    PRICING_VALIDATION_FAILED = "PRICING_VALIDATION_FAILED"
    CURRENCY_INVALID = "CURRENCY_INVALID"
    ITEMS_INCONSISTENT = "ITEMS_INCONSISTENT"
    QUOTA_EXCEEDED = "QUOTA_EXCEEDED"
    RATE_LIMIT_EXCEEDED = "RATE_LIMIT_EXCEEDED"
    INTERNAL_ERROR = "INTERNAL_ERROR"


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a code means to everyone: caller, on-call, ledger.

    Attributes:
        number: what the ledger stores for it; never reused, never renumbered.
        severity: how loudly it speaks.
        retryable: whether the same request may succeed later without a change.
        http_status: the usual status; a refusal may carry a more specific one.
        title: a short noun phrase for lists and problem documents.
        when: one sentence, when it happens.
        action: what the caller does next.
    """

    number: int
    severity: Severity
    retryable: bool
    http_status: int
    title: str
    when: str
    action: str


_C = ErrorCode
_HIGH, _CRITICAL = Severity.HIGH, Severity.CRITICAL

TAXONOMY: Mapping[ErrorCode, Meaning] = MappingProxyType(
    {
        _C.QUOTE_VALIDATION_FAILED: Meaning(
            1,
            _HIGH,
            False,
            400,
            "Quote is not valid",
            "The shape or a bound of the request is wrong.",
            "Mark the fields listed in details.errors and send again.",
        ),
        _C.QUOTE_STATE_INVALID: Meaning(
            2,
            _HIGH,
            False,
            409,
            "Not allowed in this status",
            "The quote's status does not allow the operation.",
            "Reload the quote.",
        ),
        _C.QUOTE_CONFLICT_VERSION: Meaning(
            3,
            _HIGH,
            True,
            409,
            "Somebody saved since",
            "Another save was committed after the version this one started from.",
            "Reload, compare, then decide; never resend blindly.",
        ),
        _C.QUOTE_ALREADY_SENT: Meaning(
            4,
            _CRITICAL,
            False,
            409,
            "Quote was already sent",
            "A sent quote was to be changed, deleted or sent again.",
            "Offer the agent a copy of the quote.",
        ),
        _C.QUOTE_PERSISTENCE_FAILED: Meaning(
            5,
            _CRITICAL,
            True,
            500,
            "Quote could not be stored",
            "The write could not be stored: constraint, disk, or connection refused before COMMIT.",
            "Retry with backoff.",
        ),
        _C.DATABASE_TIMEOUT: Meaning(
            6,
            _HIGH,
            True,
            504,
            "Database took too long",
            "A statement, a lock, the wait for a connection or the save's budget ran out.",
            "Retry with backoff.",
        ),
        _C.DATABASE_TRANSACTION_ABORTED: Meaning(
            7,
            _CRITICAL,
            True,
            503,
            "Transaction was aborted",
            "A deadlock or serialization failure outlived the engine's own retries.",
            "Retry the whole operation.",
        ),
        _C.AUTHENTICATION_FAILED: Meaning(
            8,
            _HIGH,
            False,
            401,
            "Credentials missing or wrong",
            "The request carries no credentials, or some that open nothing.",
            "Log in.",
        ),
        _C.AUTHORIZATION_FAILED: Meaning(
            9,
            _HIGH,
            False,
            403,
            "Not permitted",
            "The caller is known, but may not do this.",
            "Stop; ask for the permission.",
        ),
        _C.CLIENT_NOT_FOUND: Meaning(
            10,
            _HIGH,
            False,
            404,
            "Client not found",
            "The client is absent, archived or another agent's.",
            "Choose another client.",
        ),
        _C.AGENT_NOT_FOUND: Meaning(
            11,
            _HIGH,
            False,
            404,
            "No agent profile",
            "The credentials belong to a user without an agent profile.",
            "Contact support.",
        ),
        _C.QUOTE_NOT_FOUND: Meaning(
            12,
            _HIGH,
            False,
            404,
            "Quote not found",
            "The quote is absent, deleted or another agent's.",
            "Reload the list.",
        ),
        _C.PRICING_VALIDATION_FAILED: Meaning(
            13,
            _HIGH,
            False,
            400,
            "Price is not valid",
            "A pricing invariant is broken, for example a negative total.",
            "Fix the amounts.",
        ),
        _C.CURRENCY_INVALID: Meaning(
            14,
            _HIGH,
            False,
            400,
            "Currency is not supported",
            "The currency is not one of those listed.",
            "Choose a listed currency.",
        ),
        _C.ITEMS_INCONSISTENT: Meaning(
            15,
            _CRITICAL,
            False,
            400,
            "Totals do not agree",
            "A total the caller sent differs from the engine's by more than 0.01.",
            "Recompute from the items and send again.",
        ),
        _C.QUOTA_EXCEEDED: Meaning(
            16,
            _HIGH,
            False,
            403,
            "Quota is used up",
            "The agent has as many active quotes as its quota allows.",
            "Archive quotes or have the quota raised.",
        ),
        _C.RATE_LIMIT_EXCEEDED: Meaning(
            17,
            _HIGH,
            True,
            429,
            "Too many requests",
            "The agent sends faster than its limit, or an address shows too many bad keys.",
            "Wait for the seconds given in Retry-After.",
        ),
        _C.INTERNAL_ERROR: Meaning(
            18,
            _CRITICAL,
            False,
            500,
            "Internal error",
            "Something unclassified went wrong.",
            "Quote the correlation id to support.",
        ),
    }
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a save changed nothing.

    Attributes:
        code: the semantic code.
        message: what happened and what to do next; no payload, no secret.
        details: JSON-ready facts for the caller, keys in camelCase.
        http_status: the status to answer with; the code's own unless given.
    """

    code: ErrorCode
    message: str
    details: Mapping[str, Any] = field(default_factory=dict)
    http_status: int = 0

    def __post_init__(self) -> None:
        if not self.http_status:
            object.__setattr__(self, "http_status", TAXONOMY[self.code].http_status)

    @property
    def meaning(self) -> Meaning:
        """The taxonomy's entry for this refusal's code."""
        return TAXONOMY[self.code]


class SetupError(Exception):
    """A command cannot start; its message is one line that tells the operator what to do."""
