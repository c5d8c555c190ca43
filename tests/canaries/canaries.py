"""Canaries: texts that occur nowhere else, and the finding of them however they are spelled."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Final, TypeAlias
from urllib.parse import quote

Spell: TypeAlias = Callable[[str], bytes]

MARK: Final = "canary"
# A leak may be cut short: this much of a canary is enough to know it.
_KNOWN_BY: Final = 16


@cache
def canary(kind: str) -> str:
    """The one text of a kind: letters and digits, 26 of them, fit for every field that takes text.

    Args:
        kind: where it is planted, in words; not to be recognised in the text.
    """
    return MARK + hashlib.sha256(kind.encode()).hexdigest()[:20]


class Scanner:
    """Finds canaries in bytes: as they are, in other letters, escaped, or encoded."""

    def __init__(self, planted: Mapping[str, str]) -> None:
        """Prepares the spellings.

        Args:
            planted: kind → text. Every text has the mark in it.
        """
        known = {kind: text[text.index(MARK) :][:_KNOWN_BY] for kind, text in planted.items()}
        self._spellings = [_Spelling(spell, known) for spell in _IN_ANY_LETTERS]
        self._exact = [_Spelling(spell, known) for spell in _EXACT]

    def found(self, data: bytes) -> set[str]:
        """The kinds whose canary is in there."""
        lowered = data.lower()
        found = {kind for each in self._spellings for kind in each.found(lowered)}
        return found | {kind for each in self._exact for kind in each.found(data)}

    def found_in(self, many: Iterable[bytes]) -> set[str]:
        """The kinds whose canary is in any of these."""
        return set().union(*map(self.found, many))


class _Spelling:
    """One way to write every canary: all begin like the mark, by which they are found at once."""

    def __init__(self, spell: Spell, known: Mapping[str, str]) -> None:
        self._mark = spell(MARK)
        self._kinds: dict[int, dict[bytes, str]] = {}
        for kind, text in known.items():
            form = spell(text)
            assert form.startswith(self._mark)
            self._kinds.setdefault(len(form), {})[form] = kind

    def found(self, data: bytes) -> Iterator[str]:
        place = data.find(self._mark)
        while place >= 0:
            for length, kinds in self._kinds.items():
                kind = kinds.get(data[place : place + length])
                if kind is not None:
                    yield kind
            place = data.find(self._mark, place + 1)


def _escaped(form: str) -> Iterator[Spell]:
    """A spelling letter by letter, of small letters and of capitals."""
    yield lambda text: "".join(form.format(ord(each)) for each in text.lower()).encode()
    yield lambda text: "".join(form.format(ord(each)) for each in text.upper()).encode().lower()


def _base64(before: int, letters: bytes, *, is_upper: bool) -> Spell:
    """What stands for a text wherever in a longer one it begins."""

    def spell(text: str) -> bytes:
        raw = (text.upper() if is_upper else text).encode()
        encoded = base64.b64encode(b"\0" * before + raw)
        first, last = -(-before * 8 // 6), (before + len(raw)) * 8 // 6
        return encoded[first:last].translate(bytes.maketrans(b"+/", letters))

    return spell


# Found whatever the case of letters.
_IN_ANY_LETTERS: Final[Sequence[Spell]] = (
    lambda text: text.lower().encode(),
    lambda text: text.lower().encode("utf-16-le"),
    lambda text: text.lower().encode("utf-16-be"),
    lambda text: quote(text.lower(), safe="").replace("-", "%2d").encode(),
    *(
        spell
        for form in ("{:02x}", "%{:02x}", "\\u{:04x}", "\\x{:02x}", "&#{};", "&#x{:x};", "={:02x}")
        for spell in _escaped(form)
    ),
)
_EXACT: Final[Sequence[Spell]] = tuple(
    _base64(before, letters, is_upper=is_upper)
    for before in range(3)
    for letters in (b"+/", b"-_")
    for is_upper in (False, True)
)
