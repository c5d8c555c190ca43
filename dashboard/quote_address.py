"""The address of a quote's page: which quote, which two versions, which pages of its lists.

What cannot be read is said and never guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple, TypeVar
from urllib.parse import urlencode
from uuid import UUID

from engine.attempts.of_quote import Place
from engine.quotes.shape import parse_uuid
from engine.quotes.versions import VERSION_MAX

T = TypeVar("T")

PAGE: Final = "quote"
# The word in an address that a column of links shows.
SHOWN: Final = "#(.+)$"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
# Digits of the last instant that there are partitions for, in microseconds; and of any version.
_INSTANT_DIGITS: Final = 16
_VERSION_DIGITS: Final = 10
_TO: Final = ".."
_UNCHANGED: Final = "shown"


class Span(NamedTuple):
    """What lies between two versions that follow each other; at the ends there is only one.

    Attributes:
        older: the version before it; None before the first.
        newer: the version after it; None after the newest.
    """

    older: int | None
    newer: int | None

    def __str__(self) -> str:
        """4..5, ..1 and 5.. in an address."""
        return _TO.join("" if each is None else str(each) for each in self)


@dataclass(frozen=True, slots=True)
class Asked:
    """What an address asks for.

    Attributes:
        quote_id: None where the address names no quote that could be one.
        agent_id: None where it names none.
        older: the older of the two versions that are compared; None for the one before the newer.
        newer: the newer one; None for the newest.
        is_all_shown: whether what did not change is shown, too.
        versions_before: only versions below this one are listed.
        between: only attempts between these two versions are listed, and no versions.
        attempts_before: of those only the ones that are older than this one.
        unread: parameters that could not be read.
    """

    quote_id: UUID | None
    agent_id: UUID | None = None
    older: int | None = None
    newer: int | None = None
    is_all_shown: bool = False
    versions_before: int | None = None
    between: Span | None = None
    attempts_before: Place | None = None
    unread: tuple[str, ...] = ()

    def parameters(self) -> dict[str, str]:
        """The same as the parameters of an address."""
        said = {
            "agent": self.agent_id,
            "quote": self.quote_id,
            "older": self.older,
            "newer": self.newer,
            "unchanged": _UNCHANGED if self.is_all_shown else None,
            "versions_before": self.versions_before,
            "between": None if self.between is None else str(self.between),
            "attempts_before": None
            if self.attempts_before is None
            else _spelled(self.attempts_before),
        }
        return {name: str(value) for name, value in said.items() if value is not None}

    def compared(self, older: int, newer: int) -> Asked:
        """The same with other versions compared."""
        return replace(self, older=older, newer=newer)

    def within(self, span: Span | None) -> Asked:
        """The same with the attempts between two versions alone, or with the whole history."""
        return replace(self, between=span, attempts_before=None)


def parameters(agent_id: UUID, quote_id: UUID) -> dict[str, str]:
    """The parameters of a quote's page, for whoever leads there."""
    return Asked(quote_id, agent_id).parameters()


def href(asked: Asked, shown: str = "") -> str:
    """An address of the page, for a table's column of links.

    Args:
        asked: what it asks for.
        shown: a word that stands for it, as the address's fragment; see `SHOWN`.
    """
    fragment = f"#{shown}" if shown else ""
    return f"{PAGE}?{urlencode(asked.parameters())}{fragment}"


def read(said: Mapping[str, str]) -> Asked:
    """What the parameters of the page say; anything may stand there."""
    reading = _Reading(said)
    return Asked(
        quote_id=reading.get("quote", lambda value: parse_uuid(value.strip())),
        agent_id=reading.get("agent", lambda value: parse_uuid(value.strip())),
        older=reading.get("older", _version),
        newer=reading.get("newer", _version),
        is_all_shown=reading.get("unchanged", lambda value: value == _UNCHANGED or None) or False,
        versions_before=reading.get("versions_before", _version),
        between=reading.get("between", _span),
        attempts_before=reading.get("attempts_before", _place),
        unread=tuple(reading.unread),
    )


class _Reading:
    """Reads parameters, and remembers which could not be."""

    def __init__(self, said: Mapping[str, str]) -> None:
        self._said = said
        self.unread: list[str] = []

    def get(self, name: str, understand: Callable[[str], T | None]) -> T | None:
        value = self._said.get(name)
        if value is None:
            return None
        found = understand(value)
        if found is None:
            self.unread.append(name)
        return found


def _version(written: str) -> int | None:
    found = _number(written, _VERSION_DIGITS)
    return found if found is not None and 1 <= found <= VERSION_MAX else None


def _span(written: str) -> Span | None:
    older, dots, newer = written.partition(_TO)
    read = [_version(each) if each else None for each in (older, newer)]
    is_understood = bool(dots) and all(
        found is not None or not each for found, each in zip(read, (older, newer), strict=True)
    )
    return Span(*read) if is_understood and any(read) else None


def _place(written: str) -> Place | None:
    instant, _, id_ = written.partition("_")
    microseconds, attempt_id = _number(instant, _INSTANT_DIGITS), parse_uuid(id_)
    if microseconds is None or attempt_id is None:
        return None
    return _EPOCH + microseconds * _MICROSECOND, attempt_id


def _spelled(place: Place) -> str:
    started_at, id_ = place
    return f"{(started_at - _EPOCH) // _MICROSECOND}_{id_}"


def _number(written: str, digits_max: int) -> int | None:
    if written.isascii() and written.isdigit() and len(written) <= digits_max:
        return int(written)
    return None
