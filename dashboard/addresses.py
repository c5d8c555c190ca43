"""The addresses of pages: where a number's attempts are, and what an address says.

Whoever opens an address sees what the sender saw: instants stand in it, not "the last five
minutes". What cannot be read is left out of the answer and said, never guessed.

The parameters have names that no widget has: on the way from one page to another Streamlit takes
those out of the address that a widget of the page before was bound to.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple, TypeVar
from uuid import UUID

from engine.attempts.outcome import Path
from engine.errors import ErrorCode
from engine.quotes.lifecycle import Operation
from engine.rollups import parts
from engine.rollups.counts import Traffic
from engine.rollups.grid import Window
from engine.rollups.rows import Place
from engine.rollups.selection import Filter, Selection
from engine.slo.objectives import PARTS

T = TypeVar("T")

ATTEMPTS: Final = "attempts"
_ANY: Final = "any"
BEFORE: Final = "before"
# No attempt is older than the first; after the last, arithmetic with instants runs out of years.
_SPAN: Final = (datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC))


# More than a year; of hundreds of years the pieces alone would take seconds to make.
_LONGEST: Final = timedelta(days=400)


class Read(NamedTuple):
    """What an address says.

    Attributes:
        selection: None without a window.
        unread: parameters that could not be read.
    """

    selection: Selection | None
    unread: tuple[str, ...]


def attempts(selection: Selection) -> dict[str, str]:
    """The parameters of the page that shows these attempts."""
    window, wanted = selection.window, selection.wanted
    said = {
        "from": _instant(window.start),
        "until": _instant(window.end),
        "only_traffic": _ANY if wanted.traffic is None else wanted.traffic.name.lower(),
        "only_operation": None if wanted.operation is None else wanted.operation.name,
        "only_path": None if wanted.path is None else wanted.path.name.lower(),
        "only_part": None if selection.part is parts.ALL else selection.part.key,
        "only_code": None if selection.code is None else selection.code.value,
        "at_least_us": None if selection.at_least_us is None else str(selection.at_least_us),
        "below_us": None if selection.below_us is None else str(selection.below_us),
        "only_changed": selection.changed_fields,
    }
    return {name: value for name, value in said.items() if value is not None}


def older(selection: Selection, before: Place) -> dict[str, str]:
    """The parameters of the page of those attempts that are older than one of them."""
    return attempts(selection) | {BEFORE: f"{_instant(before.started_at)}_{before.id}"}


def read_before(said: Mapping[str, str]) -> Place | None:
    """Before which attempt the page begins; None at the newest.

    Raises:
        ValueError: what stands there is no place of an attempt.
    """
    value = said.get(BEFORE)
    if value is None:
        return None
    written, _, number = value.partition("_")
    started_at = _moment(written)
    if started_at is None or not _SPAN[0] <= started_at < _SPAN[1]:
        raise ValueError(value)
    return Place(started_at, UUID(number))


def read_attempts(said: Mapping[str, str]) -> Read:
    """What the parameters of the page of attempts say; anything may stand there."""
    unread: list[str] = []

    def get(name: str, known: Mapping[str, T], default: T) -> T:
        value = said.get(name)
        if value is None:
            return default
        if value not in known:
            unread.append(name)
        return known.get(value, default)

    def number(name: str) -> int | None:
        value = said.get(name)
        if value is None:
            return None
        if value.isascii() and value.isdigit() and len(value) < _DIGITS:
            return int(value)
        unread.append(name)
        return None

    def words(name: str) -> str | None:
        value = said.get(name)
        if value is None or (value.isprintable() and len(value) <= _LONGEST_WORDS):
            return value
        unread.append(name)
        return None

    start, end = _moment(said.get("from")), _moment(said.get("until"))
    if start is None or end is None or not _is_window(start, end):
        return Read(None, ("from", "until"))
    selection = Selection(
        window=Window(start, end),
        wanted=Filter(
            operation=get("only_operation", _OPERATIONS, None),
            traffic=get("only_traffic", _TRAFFIC, Traffic.LIVE),
            path=get("only_path", _PATHS, None),
        ),
        part=get("only_part", PARTS, parts.ALL),
        code=get("only_code", _CODES, None),
        at_least_us=number("at_least_us"),
        below_us=number("below_us"),
        changed_fields=words("only_changed"),
    )
    return Read(selection, tuple(unread))


def _is_window(start: datetime, end: datetime) -> bool:
    """Whether it can be looked at: each of its days is asked for."""
    return _SPAN[0] <= start < end <= _SPAN[1] and end - start <= _LONGEST


_DIGITS: Final = 10
_LONGEST_WORDS: Final = 1_000
_OPERATIONS: Final[Mapping[str, Operation | None]] = {each.name: each for each in Operation}
_PATHS: Final[Mapping[str, Path | None]] = {each.name.lower(): each for each in Path}
_TRAFFIC: Final[Mapping[str, Traffic | None]] = {
    _ANY: None,
    **{each.name.lower(): each for each in Traffic},
}
_CODES: Final[Mapping[str, ErrorCode | None]] = {each.value: each for each in ErrorCode}


def _instant(instant: datetime) -> str:
    """As the address has it: 2026-11-25T21:04:10Z."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _moment(said: str | None) -> datetime | None:
    """An instant that says its zone; None for anything else."""
    with suppress(ValueError, OverflowError):
        found = datetime.fromisoformat(said or "")
        return found.astimezone(UTC) if found.tzinfo is not None else None
    return None
