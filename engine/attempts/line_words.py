"""A log line in words, for a terminal and a screen; what is in it is shown as text and printable.

Not in those of `engine.attempts.words`: a line does not say whether there was an idempotency key,
so no advice can be given from it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from engine.attempts.lines import Event
from engine.attempts.words import printable

_EVENTS: Final[Mapping[Any, str]] = {
    Event.ENDED.value: "attempt",
    Event.SWEPT.value: "attempt, closed by a sweeper",
    Event.WAITS.value: "attempt, not in the ledger yet",
}
_NOT_TOLD: Final = frozenset({"event", "level", "timestamp", "correlation_id"})
_VALUE_MAX: Final = 400


def event(fields: Mapping[str, Any]) -> str:
    """What kind of line it is."""
    name = fields.get("event")
    return _EVENTS[name] if _is_of_attempt(name) else _shown(name)


def told(fields: Mapping[str, Any]) -> str:
    """What a line says, without its time, kind and correlation id."""
    if _is_of_attempt(fields.get("event")):
        return ", ".join(_of_attempt(fields))
    return " ".join(
        f"{printable(key)}={_shown(value)}"
        for key, value in fields.items()
        if key not in _NOT_TOLD and value is not None
    )


def as_json(raw: str) -> str:
    r"""A line as it stands in its file, with what cannot be seen escaped, so that it says the same.

    JSON lets stand what a terminal obeys, such as the character that begins an escape sequence.
    """
    if raw.isprintable():
        return raw
    return "".join(each if each.isprintable() else _escaped(each) for each in raw)


def _escaped(character: str) -> str:
    if character in "\t\r":  # between values: in a text they are escaped already
        return " "
    return f"\\u{ord(character):04x}" if character.isascii() else json.dumps(character)[1:-1]


def _is_of_attempt(name: object) -> bool:
    return isinstance(name, str) and name in _EVENTS


def when(at: datetime) -> str:
    """When a line was written, to the millisecond."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}"[:-3] + " UTC"


def _of_attempt(fields: Mapping[str, Any]) -> Iterator[str]:
    yield f"{_shown(fields.get('operation'))} {_shown(fields.get('outcome'))}"
    if fields.get("error_code") is not None:
        yield _shown(fields["error_code"])
    if fields.get("http_status") is not None:
        yield f"HTTP {_shown(fields['http_status'])}"
    duration = fields.get("duration_us")
    # Of an attempt whose process died nobody knows how long it took.
    if isinstance(duration, int) and duration:
        yield f"{duration / 1000:,.1f} ms"
    if fields.get("quote_id") is not None:
        yield f"quote {_shown(fields['quote_id'])}"
    if fields.get("actual_version") is not None:
        yield f"version {_shown(fields['actual_version'])}"
    if fields.get("instance") is not None:
        yield f"on {_shown(fields['instance'])}"


def _shown(value: object) -> str:
    text = printable(str(value))
    return text if len(text) <= _VALUE_MAX else f"{text[:_VALUE_MAX]}…"
