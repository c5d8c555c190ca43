"""A notice in words, for channels that people read; piece by piece, so that each can be marked."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from engine.alerting.channels.channel import Letter
from engine.alerting.durations import write_duration

_SYMBOLS: Final = {"CRITICAL": "🔴", "HIGH": "🟠", "MEDIUM": "🟡"}
_LINKS: Final = (
    ("Alert", "alertUrl"),
    ("Dashboard", "dashboardUrl"),
    ("Runbook", "runbookUrl"),
)
_DONE: Final = "🟢"
_SAID: Final = "🔵"
_KINDS: Final = {
    "firing": "firing",
    "repeat": "still firing",
    "resolved": "resolved",
    "test": "test",
    "note": "note",
}
# NUL and its like; a lone half of a pair is no character that can be sent.
_UNSENDABLE: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
_SHARES: Final = frozenset({"share", "threshold"})
# The database keeps no order of its own: what decides is read first.
_ORDER: Final = (
    "attempts", "bad", "share", "threshold", "window_s", "burn_rate", "factor", "short_attempts",
    "short_bad", "short_window_s", "short_burn_rate", "still_s", "allowed_s", "interval_s",
)  # fmt: skip
_MINUTE_S: Final = 60
_HOUR_S: Final = 3600


class Mark(StrEnum):
    """How a piece is set off, where the channel can."""

    PLAIN = "plain"
    STRONG = "strong"
    # To be copied as it is.
    LITERAL = "literal"


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a text.

    Attributes:
        text: of it.
        mark: how it is set off.
        gives: where there is too much text, the pieces with the highest number are cut first; 0
            is cut last.
    """

    text: str
    mark: Mark = Mark.PLAIN
    gives: int = 0


def title_of(body: Mapping[str, Any]) -> str:
    """The first line: how loud, what state, which code."""
    kind = str(body.get("kind"))
    symbol = _DONE if kind == "resolved" else _SYMBOLS.get(str(body.get("severity")), _SAID)
    if kind in {"test", "note"}:
        symbol = _SAID
    return _clean(
        f"{symbol} {body.get('severity')} {_KINDS.get(kind, kind)}: {body.get('errorCode')}"
    )


def pieces_of(letter: Letter) -> list[Piece]:
    """A letter's text, with its title, in the order of reading."""
    body = letter.body
    lines: list[Sequence[Piece]] = [[Piece(title_of(body), Mark.STRONG)]]
    if letter.is_perhaps_repeated:
        lines.append([Piece("This may repeat an earlier message.")])
    lines.append([Piece(_clean(f"{body.get('ruleName')} ({body.get('ruleId')})"))])
    lines.append([Piece(_clean(f"Environment: {body.get('environment')}"))])
    lines.append([Piece(_clean(str(body.get("message"))), gives=1)])
    numbers = _numbers(body.get("metrics") or {})
    if numbers:
        lines.append([Piece(_clean(numbers), gives=2)])
    lines.append([Piece(_clean(_when(body)))])
    if letter.nonce is not None:
        lines.append([Piece("Type back: "), Piece(letter.nonce, Mark.LITERAL)])
    correlation_id = Piece(_clean(str(body.get("correlationId"))), Mark.LITERAL)
    lines.append([Piece("Correlation id: "), correlation_id])
    for name, key in _LINKS:
        if body.get(key):
            lines.append([Piece(_clean(f"{name}: {body[key]}"))])
    lines += [[Piece(_clean(other), gives=3)] for other in _others(body)]
    return [piece for line in _separated(lines) for piece in line]


def plain_text(pieces: Sequence[Piece]) -> str:
    """The pieces as one text without marks."""
    return "".join(piece.text for piece in pieces)


def _separated(lines: Sequence[Sequence[Piece]]) -> Iterator[Sequence[Piece]]:
    for number, line in enumerate(lines):
        # The break gives with its line.
        yield line if number == 0 else [Piece("\n", gives=line[0].gives), *line]


def _when(body: Mapping[str, Any]) -> str:
    at = _instant(str(body.get("timestamp")))
    if body.get("kind") != "resolved":
        return f"Since: {at}"
    duration = body.get("durationSeconds")
    after = "" if duration is None else f", after {_length(float(duration))}"
    return f"Resolved: {at}{after}"


def _instant(written: str) -> str:
    """To the second; what is no instant stays as it is."""
    try:
        at = datetime.fromisoformat(written)
    except ValueError:
        return written
    return f"{at:%Y-%m-%d %H:%M:%S} UTC" if at.utcoffset() == timedelta(0) else written


def _length(seconds: float) -> str:
    if seconds < _MINUTE_S:
        return f"{seconds:.0f} s"
    if seconds < _HOUR_S:
        return f"{seconds / _MINUTE_S:.0f} min"
    return f"{seconds / _HOUR_S:.1f} h"


def _numbers(metrics: Mapping[str, Any]) -> str:
    """The rule's numbers in one line: `attempts 380, share 3.2 %, window 5 min, p95 410 ms`."""
    known = sorted(metrics.items(), key=lambda each: _place(each[0]))
    return ", ".join(_number(name, value) for name, value in known if _is_said(value))


def _place(name: str) -> int:
    return _ORDER.index(name) if name in _ORDER else len(_ORDER)


def _is_said(value: object) -> bool:
    return isinstance(value, str | int | float)


def _number(name: str, value: str | float) -> str:
    if isinstance(value, str | bool):
        return f"{name} {value}"
    if name in _SHARES:
        return f"{name} {value * 100:.3g} %"
    said = name.replace("_", " ")
    if name.endswith("_ms"):
        return f"{said.removesuffix(' ms')} {value:.6g} ms"
    if name.endswith("_s"):
        span = timedelta(seconds=value)
        written = write_duration(span) if float(value).is_integer() else f"{value:.6g} s"
        return f"{said.removesuffix(' s')} {written}"
    return f"{said} {value:.6g}"


def _others(body: Mapping[str, Any]) -> Iterator[str]:
    for other in body.get("others") or ():
        yield f"Also: {other.get('severity')} {other.get('ruleName')} ({other.get('ruleId')})"


def _clean(text: str) -> str:
    return _UNSENDABLE.sub("\ufffd", text)
