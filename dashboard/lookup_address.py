"""The address of the lookup page: what it asks for, and how a story is sent to a colleague.

Pure functions. The address is the only place where a question is kept, so it outlives a reload.
Its parameters have names that no filter of another page has: see `dashboard.addresses`.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Final, NamedTuple
from urllib.parse import urlencode, urlsplit, urlunsplit
from uuid import UUID

from dashboard.storable import storable
from engine.correlation import has_valid_check

LOOKUP: Final = "lookup"
CORRELATION_ID: Final = "correlation_id"
TEXT: Final = "q"
ATTEMPT: Final = "attempt"
# A log line with its stack is shorter; an address much longer is refused by some proxies.
TEXT_MAX: Final = 4_000


class Asked(NamedTuple):
    """What an address asks for.

    Attributes:
        text: what to look up; empty if nothing.
        attempt: the one to tell of those that are found; None for the best.
        remarks: what of the address is not followed, a sentence each.
    """

    text: str
    attempt: UUID | None
    remarks: tuple[str, ...]


def read(said: Mapping[str, str]) -> Asked:
    """What the parameters ask for; anything may stand there."""
    remarks: list[str] = []
    by_id, by_text = said.get(CORRELATION_ID, ""), said.get(TEXT, "")
    if by_id.strip() and by_text.strip():
        remarks.append(
            "The address asks for two things; its correlation id is looked up, its text is not."
        )
    attempt = None
    if ATTEMPT in said:
        with suppress(ValueError):
            attempt = UUID(said[ATTEMPT])
        if attempt is None:
            remarks.append("The address names an attempt by something that is no id of one.")
    text = by_id if by_id.strip() else by_text
    if not text.strip() and attempt is not None:
        text = str(attempt)
    if len(text) > TEXT_MAX:
        text = text[:TEXT_MAX]
        remarks.append(f"Only the first {TEXT_MAX:,} characters are looked at.")
    return Asked(storable(text), attempt, tuple(remarks))


def asking(text: str) -> dict[str, str]:
    """The parameters that ask for a text, or for its beginning; an id of ours is named as one."""
    text = text.strip()[:TEXT_MAX]
    return {CORRELATION_ID if has_valid_check(text) else TEXT: text} if text else {}


def completed(asked: Asked, entered: str) -> Asked:
    """What is asked for in whole, where the address has only the beginning of it.

    Args:
        asked: by the address.
        entered: what this viewer put into the box last.
    """
    whole = storable(entered.strip())
    if len(whole) <= TEXT_MAX or whole[:TEXT_MAX] != asked.text:
        return asked
    remark = (
        f"The address holds the first {TEXT_MAX:,} of {len(whole):,} characters: after a reload,"
        " and by whoever it is sent to, only those are looked at."
    )
    return asked._replace(text=whole, remarks=(*asked.remarks, remark))


def naming(correlation_id: str, attempt: UUID | None = None) -> dict[str, str]:
    """The parameters that ask for what is known to be a correlation id, or one attempt with it."""
    return {CORRELATION_ID: correlation_id} | ({} if attempt is None else {ATTEMPT: str(attempt)})


def shared(page: str | None, correlation_id: str, attempt: UUID) -> str:
    """The whole address of an attempt's story as the viewer's colleagues reach it.

    Args:
        page: the address at which the viewer sees the page; None if the browser did not say it.
        correlation_id: of the attempt.
        attempt: its id.
    """
    seen = urlsplit(page or f"/{LOOKUP}")
    query = urlencode(naming(correlation_id, attempt))
    return urlunsplit((seen.scheme, seen.netloc, seen.path, query, ""))
