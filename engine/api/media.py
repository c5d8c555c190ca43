"""Media types: which bodies we read, and whether errors may come as problem documents."""

from __future__ import annotations

import re
from typing import Final

JSON: Final = "application/json"
PROBLEM_JSON: Final = "application/problem+json"

# JSON is UTF-8 and says so nowhere (RFC 8259); who names another charset means other bytes.
_CHARSETS: Final = frozenset({"utf-8", "utf8", "us-ascii"})
_ENCODINGS: Final = frozenset({"", "identity"})
_NOT_AT_ALL: Final = re.compile(r"q=0(\.0{0,3})?")


def is_json(content_type: str) -> bool:
    """Whether a Content-Type is that of JSON in UTF-8."""
    if content_type == JSON:
        return True
    media_type, *parameters = _parts(content_type)
    pairs = (parameter.partition("=") for parameter in parameters)
    charsets = {value.strip().strip('"') for name, _, value in pairs if name.strip() == "charset"}
    return media_type == JSON and charsets <= _CHARSETS


def is_plain(content_encoding: str) -> bool:
    """Whether a Content-Encoding leaves the body as it is."""
    return content_encoding.strip().lower() in _ENCODINGS


def accepts_problem(accept: str) -> bool:
    """Whether an Accept names problem documents by name."""
    for entry in accept.split(","):
        media_type, *parameters = _parts(entry)
        if media_type == PROBLEM_JSON:
            return not any(map(_NOT_AT_ALL.fullmatch, parameters))
    return False


def _parts(value: str) -> list[str]:
    return [part.strip() for part in value.lower().split(";")]
