"""Text as Telegram counts it: UTF-16 code units, with entities that say which part is which.

There is no markup in such a text, so that nothing in it can be taken for any.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from engine.alerting.channels.wording import Mark, Piece

# Of a message, after its entities are taken out; ours are never in it.
TEXT_MAX: Final = 4_096
_MORE: Final = "…"
_TYPES: Final[Mapping[Mark, str]] = {Mark.STRONG: "bold", Mark.LITERAL: "code"}
_ASTRAL: Final = 0xFFFF


@dataclass(frozen=True, slots=True)
class Composed:
    """A text that can be sent.

    Attributes:
        text: at most so many units as asked for.
        entities: as the Bot API takes them, in order, with offsets and lengths in UTF-16 units.
    """

    text: str
    entities: tuple[Mapping[str, Any], ...]


def units(text: str) -> int:
    """How long a text is in UTF-16 code units."""
    return len(text) + sum(ord(each) > _ASTRAL for each in text)


def shortened(text: str, limit: int) -> str:
    """A text cut to a number of units, and an ellipsis where something is missing.

    No character is cut in two. Nothing is left where there is no room for an ellipsis.
    """
    if units(text) <= limit:
        return text
    room = limit - units(_MORE)
    if room < 0:
        return ""
    used = 0
    for place, each in enumerate(text):
        used += units(each)
        if used > room:
            return text[:place] + _MORE
    return text


def compose(pieces: Sequence[Piece], limit: int = TEXT_MAX) -> Composed:
    """Puts pieces together; those that give are cut where there is too much.

    Args:
        pieces: in the order of reading.
        limit: in UTF-16 units.
    """
    texts = _fitted(pieces, limit)
    # White space at the end is cut off there, too; a line that was cut away may leave its break.
    while texts and not texts[-1].strip():
        texts.pop()
    entities: list[Mapping[str, Any]] = []
    offset = 0
    for piece, text in zip(pieces, texts, strict=False):
        length = units(text)
        if length and piece.mark in _TYPES:
            entities.append({"type": _TYPES[piece.mark], "offset": offset, "length": length})
        offset += length
    return Composed("".join(texts), tuple(entities))


def _fitted(pieces: Sequence[Piece], limit: int) -> list[str]:
    """The pieces' texts, the last of those that give most cut first."""
    texts = [piece.text for piece in pieces]
    over = sum(map(units, texts)) - limit
    order = sorted(range(len(pieces)), key=lambda place: (-pieces[place].gives, -place))
    for place in order:
        if over <= 0:
            break
        before = units(texts[place])
        texts[place] = shortened(texts[place], max(before - over, 0))
        over -= before - units(texts[place])
    return texts
