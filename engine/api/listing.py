"""The parameters of lists, of quotes and of a quote's revisions: filters, limit and cursor."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple, TypeVar
from uuid import UUID

import msgspec

from engine.errors import Refusal
from engine.quotes.lifecycle import Status
from engine.quotes.shape import parse_uuid
from engine.quotes.validation import Violation, refusal

LIMIT_DEFAULT: Final = 20
LIMIT_MAX: Final = 100
# What cursors look like to callers, who need not know what is in them.
QUOTE_CURSOR: Final = "^[A-Za-z0-9_-]{22}$"
REVISION_CURSOR: Final = "^[1-9][0-9]{0,8}$"

_UUID_BYTES: Final = 16
_NUMBER: Final = re.compile(r"[0-9]{1,3}", re.ASCII)
_VERSION: Final = re.compile(REVISION_CURSOR, re.ASCII)

# Deleted quotes are not listed, under no name.
LISTED_STATUSES: Final = tuple(status for status in Status if status is not Status.CANCELLED)

T = TypeVar("T")


class Listing(msgspec.Struct, frozen=True):
    """What a caller wants listed; see `QuoteStore.page`."""

    limit: int = LIMIT_DEFAULT
    status: Status | None = None
    client_id: UUID | None = None
    before: UUID | None = None


class HistoryListing(msgspec.Struct, frozen=True):
    """Which revisions a caller wants; see `QuoteStore.history`."""

    limit: int = LIMIT_DEFAULT
    before: int | None = None


def read_listing(query: Mapping[str, str]) -> Listing | Refusal:
    """The list's parameters; empty ones count as not given, unknown ones are refused."""
    return _read(query, _OF_QUOTES, Listing)


def read_history_listing(query: Mapping[str, str]) -> HistoryListing | Refusal:
    """The parameters of a quote's history, read in the same way."""
    return _read(query, _OF_REVISIONS, HistoryListing)


def cursor_of(last: UUID) -> str:
    """The cursor that continues after a quote."""
    return base64.urlsafe_b64encode(last.bytes).rstrip(b"=").decode()


def cursor_of_revision(last: int) -> str:
    """The cursor that continues after a version."""
    return str(last)


class _Parameter(NamedTuple):
    """One parameter: what it is for us, how it is read (None when it does not fit), what fits."""

    attribute: str
    read: Callable[[str], object]
    expected: str


def _read(
    query: Mapping[str, str], known: Mapping[str, _Parameter], kind: Callable[..., T]
) -> T | Refusal:
    violations: list[Violation] = []
    asked: dict[str, object] = {}
    for name, value in query.items():
        if not value:
            continue
        parameter = known.get(name)
        if parameter is None:
            violations.append(Violation(name[:80], "is not a known parameter", "unknown"))
        elif (fit := parameter.read(value)) is None:
            violations.append(Violation(name, parameter.expected, "format"))
        else:
            asked[parameter.attribute] = fit
    return refusal(violations) if violations else kind(**asked)


def _limit(value: str) -> int | None:
    number = int(value) if _NUMBER.fullmatch(value) else 0
    return number if 1 <= number <= LIMIT_MAX else None


def _status(value: str) -> Status | None:
    return Status(value) if value in LISTED_STATUSES else None


def _position(cursor: str) -> UUID | None:
    try:
        raw = base64.b64decode(cursor + "==", altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    return UUID(bytes=raw) if len(raw) == _UUID_BYTES else None


def _version(cursor: str) -> int | None:
    return int(cursor) if _VERSION.fullmatch(cursor) else None


_LIMIT: Final = _Parameter("limit", _limit, f"must be a whole number from 1 to {LIMIT_MAX}")
_OF_THE_PAGE_BEFORE: Final = "must be the nextCursor of the page before"
_OF_QUOTES: Final = {
    "status": _Parameter("status", _status, f"must be one of {', '.join(LISTED_STATUSES)}"),
    "clientId": _Parameter("client_id", parse_uuid, "must be a UUID"),
    "limit": _LIMIT,
    "cursor": _Parameter("before", _position, _OF_THE_PAGE_BEFORE),
}
_OF_REVISIONS: Final = {
    "limit": _LIMIT,
    "cursor": _Parameter("before", _version, _OF_THE_PAGE_BEFORE),
}
