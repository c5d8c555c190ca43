"""The parameters of the list of quotes: filters, limit and cursor."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Final
from uuid import UUID

import msgspec

from engine.errors import Refusal
from engine.quotes.lifecycle import Status
from engine.quotes.shape import parse_uuid
from engine.quotes.validation import Violation, refusal

LIMIT_DEFAULT: Final = 20
LIMIT_MAX: Final = 100
_UUID_BYTES: Final = 16
_NUMBER: Final = re.compile(r"[0-9]{1,3}", re.ASCII)

# Deleted quotes are not listed, under no name.
LISTED_STATUSES: Final = tuple(status for status in Status if status is not Status.CANCELLED)


class Listing(msgspec.Struct, frozen=True):
    """What a caller wants listed; see `QuoteStore.page`."""

    limit: int = LIMIT_DEFAULT
    status: Status | None = None
    client_id: UUID | None = None
    before: UUID | None = None


def read_listing(query: Mapping[str, str]) -> Listing | Refusal:
    """The list's parameters; empty ones count as not given, unknown ones are refused."""
    violations: list[Violation] = []
    asked: dict[str, object] = {}
    for name, value in query.items():
        if not value:
            continue
        match name:
            case "limit":
                number = int(value) if _NUMBER.fullmatch(value) else 0
                asked["limit"] = number if 1 <= number <= LIMIT_MAX else None
            case "status":
                asked["status"] = Status(value) if value in LISTED_STATUSES else None
            case "clientId":
                asked["client_id"] = parse_uuid(value)
            case "cursor":
                asked["before"] = _position(value)
            case _:
                violations.append(Violation(name[:80], "is not a known parameter", "unknown"))
                continue
        if None in asked.values():
            violations.append(Violation(name, _EXPECTED[name], "format"))
            asked = {key: fit for key, fit in asked.items() if fit is not None}
    return refusal(violations) if violations else msgspec.convert(asked, Listing)


_EXPECTED: Final = {
    "limit": f"must be a whole number from 1 to {LIMIT_MAX}",
    "status": f"must be one of {', '.join(LISTED_STATUSES)}",
    "clientId": "must be a UUID",
    "cursor": "must be the nextCursor of the page before",
}


def cursor_of(last: UUID) -> str:
    """The cursor that continues after a quote."""
    return base64.urlsafe_b64encode(last.bytes).rstrip(b"=").decode()


def _position(cursor: str) -> UUID | None:
    try:
        raw = base64.b64decode(cursor + "==", altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    return UUID(bytes=raw) if len(raw) == _UUID_BYTES else None
