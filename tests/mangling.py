"""Ids as they reach somebody on call: copied, wrapped, read aloud, photographed, mistyped."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple
from urllib.parse import quote

from engine.clock import uuid7
from engine.correlation import PREFIX, make_correlation_id
from tests.faults.load import Dice

_LETTERS: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_DASHES: Final = "\u2010\u2011\u2012\u2013\u2014\u2212\ufe63\uff0d"
_BLANKS: Final = "\u00a0\u2002\u2009\u202f\u3000"
_TWINS: Final = {"E": "\u0415", "K": "\u041a", "M": "\u041c", "P": "\u0420", "T": "\u0422",
    "H": "\u041d", "C": "\u0421", "B": "\u0412", "A": "\u0410", "X": "\u0425"}  # fmt: skip


class Mangled(NamedTuple):
    """A text, the id that was meant, and what was done to it."""

    text: str
    meant: str
    done: str


def our_ids(dice: Dice, count: int, first_ms: int, span_ms: int) -> list[str]:
    """Ids of our making, at random times of a span."""
    return [
        make_correlation_id(
            uuid7(
                first_ms + int(dice.chance() * span_ms),
                bytes(int(dice.chance() * 256) for _ in range(10)),
            )
        )
        for _ in range(count)
    ]


def callers_ids(dice: Dice, count: int) -> list[str]:
    """Ids such as callers make, of several kinds."""
    return [_KINDS[number % len(_KINDS)](dice, number) for number in range(count)]


def _hex(dice: Dice, count: int) -> str:
    return "".join(dice.pick("0123456789abcdef") for _ in range(count))


_KINDS: Final[tuple[Callable[[Dice, int], str], ...]] = (
    lambda dice, _: "-".join(_hex(dice, size) for size in (8, 4, 4, 4, 12)),
    lambda dice, number: f"checkout_{number:05d}.{_hex(dice, 8)}",
    lambda dice, _: "".join(dice.pick(_LETTERS) for _ in range(26)),
    lambda dice, _: f"Root-1-{_hex(dice, 8)}-{_hex(dice, 24)}",
    lambda dice, number: f"web-{dice.pick('abcdefgh')}{number}-{_hex(dice, 12)}",
)


class Mangler:
    """Mangles ids of a ledger, the same way for the same seed."""

    def __init__(self, dice: Dice, ours: Sequence[str], callers: Sequence[str]) -> None:
        self._dice = dice
        self._ours = ours
        self._callers = callers
        self._sorted = sorted([*ours, *callers])

    def texts(self, count: int) -> list[Mangled]:
        """So many texts: ids spoiled in one way, and put into something in another."""
        made = []
        for number in range(count):
            is_ours = number % 4 > 0
            meant = self._dice.pick(self._ours if is_ours else self._callers)
            if number % 10 == 9:
                spoil = self._dice.pick(_PARTS) if is_ours else Mangler.beginning
                around = self._dice.pick(_AROUND_PARTS)
            else:
                spoil = self._dice.pick(_OF_OURS if is_ours else _OF_ANY)
                around = self._dice.pick(_AROUND)
            text = around(self, spoil(self, meant))
            made.append(Mangled(text, meant, f"{spoil.__name__}, {around.__name__}"))
        return made

    # What happens to an id itself.

    def nothing(self, given: str) -> str:
        return given

    def beginning(self, given: str) -> str:
        """So much that nothing else starts so, and not less than a person would."""
        place = bisect_left(self._sorted, given)
        beside = self._sorted[max(place - 1, 0) : place + 2]
        least = max(_shared(given, other) for other in beside if other != given) + 1
        return given[: max(least + int(self._dice.chance() * 4), 12)]

    def lower(self, given: str) -> str:
        return given.lower()

    def any_case(self, given: str) -> str:
        return "".join(self._dice.pick((each.lower(), each.upper())) for each in given)

    def without_prefix(self, given: str) -> str:
        return given.removeprefix(PREFIX)

    def one_wrong(self, given: str) -> str:
        place = self._place(given)
        other = self._dice.pick([each for each in _LETTERS if each != given[place]])
        return given[:place] + other + given[place + 1 :]

    def one_wrong_and_lower(self, given: str) -> str:
        return self.one_wrong(given).lower()

    def two_swapped(self, given: str) -> str:
        place = len(PREFIX) + int(self._dice.chance() * (len(given) - len(PREFIX) - 1))
        return given[:place] + given[place + 1] + given[place] + given[place + 2 :]

    def one_missing(self, given: str) -> str:
        place = self._place(given)
        return given[:place] + given[place + 1 :]

    def one_too_many(self, given: str) -> str:
        place = self._place(given)
        return given[:place] + self._dice.pick(_LETTERS) + given[place:]

    def read_as_letters(self, given: str) -> str:
        body = given.removeprefix(PREFIX).replace("0", self._dice.pick("Oo"))
        return PREFIX + body.replace("1", self._dice.pick("lIi"))

    def photographed(self, given: str) -> str:
        """As a program reads a picture: some of what looks alike is taken for each other."""
        pairs = {"S": "5", "5": "S", "B": "8", "8": "B", "0": "O", "1": "I"}
        places = [place for place in range(len(PREFIX), len(given)) if given[place] in pairs]
        wrong = {place for place in places if self._dice.chance() < 0.4}
        wrong = set(sorted(wrong)[:3])
        return "".join(pairs[each] if place in wrong else each for place, each in enumerate(given))

    def grouped(self, given: str) -> str:
        size = self._dice.pick((3, 4, 5, 9))
        body = given.removeprefix(PREFIX)
        groups = [body[start : start + size] for start in range(0, len(body), size)]
        return PREFIX + self._dice.pick((" ", "-", "\u2009")).join(groups)

    def dashed(self, given: str) -> str:
        return given.replace("-", self._dice.pick(_DASHES))

    def full_width(self, given: str) -> str:
        return "".join(chr(ord(each) + 0xFEE0) for each in given)

    def twins(self, given: str) -> str:
        return "".join(_TWINS.get(each, each) for each in given)

    def invisible(self, given: str) -> str:
        place = self._place(given)
        return given[:place] + self._dice.pick("\u200b\u00ad\u2060\ufeff") + given[place:]

    def _place(self, given: str) -> int:
        start = len(PREFIX) if given.startswith(PREFIX) else 0
        return start + int(self._dice.chance() * (len(given) - start))

    # What stands around it.

    def alone(self, given: str) -> str:
        return given

    def blanks(self, given: str) -> str:
        return f"\n {self._dice.pick(_BLANKS)}\t{given}{self._dice.pick(_BLANKS)} \r\n"

    def quotes(self, given: str) -> str:
        first, last = tuple(self._dice.pick((
            '""', "''", "``", "<>", "()", "[]", "{}", "\u201c\u201d", "\u00ab\u00bb",
        )))  # fmt: skip
        return f"{first}{given}{last}{self._dice.pick(('', '.', ',', ';'))}"

    def json(self, given: str) -> str:
        inner = {"error": {"code": "QUOTE_X", "correlationId": given}, "status": 409}
        once = json.dumps(inner, indent=self._dice.pick((None, 2)))
        return json.dumps({"message": once}) if self._dice.chance() < 0.4 else once

    def address(self, given: str) -> str:
        host = "https://desk.agency.example/lookup"
        written = quote(given) if self._dice.chance() < 0.5 else given
        whole = f"{host}?window=1h&correlation_id={written}&refresh=off"
        return f"https://mail.example/?u={quote(whole, safe='')}" if len(given) % 3 == 0 else whole

    def all_encoded(self, given: str) -> str:
        return "".join(f"%{byte:02X}" for byte in given.encode())

    def log_line(self, given: str) -> str:
        return (
            f"2026-11-25T14:03:07.{int(self._dice.chance() * 1000):03d}Z INFO"
            f" [worker-{int(self._dice.chance() * 16)}] save.done correlation_id={given}"
            f" operation=UPDATE duration_ms=12.4 host=10.2.33.{int(self._dice.chance() * 255)}"
            f" span={_hex(self._dice, 16)}"
        )

    def sentence(self, given: str) -> str:
        return f"Hi, Ana could not save at 2 pm, the screen said {given}. Can you look?"

    def wrapped(self, given: str) -> str:
        width = self._dice.pick((8, 12, 20))
        lead = self._dice.pick(("", "    ", "> ", "\t"))
        lines = [given[start : start + width] for start in range(0, len(given), width)]
        return f"the id:\n{lead}" + f"\n{lead}".join(lines) + "\n\nThanks"

    def quoted_printable(self, given: str) -> str:
        place = self._place(given)
        return f"X-Correlation-ID: {given[:place]}=\r\n{given[place:]}\r\n"


def _shared(one: str, other: str) -> int:
    for place, (first, second) in enumerate(zip(one, other, strict=False)):
        if first != second:
            return place
    return min(len(one), len(other))


_M: Final = Mangler
_OF_ANY: Final = (_M.nothing, _M.nothing, _M.dashed, _M.full_width, _M.invisible)
_OF_OURS: Final = (
    *_OF_ANY, _M.lower, _M.any_case, _M.without_prefix, _M.one_wrong, _M.one_wrong,
    _M.one_wrong_and_lower, _M.two_swapped, _M.one_missing, _M.one_too_many, _M.read_as_letters,
    _M.photographed, _M.twins,
)  # fmt: skip
_AROUND: Final = (
    _M.alone, _M.blanks, _M.quotes, _M.json, _M.address, _M.log_line, _M.sentence, _M.wrapped,
    _M.quoted_printable, _M.all_encoded,
)  # fmt: skip
# What follows a part of an id on the next line would be taken for the rest of it.
_PARTS: Final = (_M.beginning, _M.grouped)
_AROUND_PARTS: Final = (_M.alone, _M.blanks, _M.quotes, _M.json, _M.sentence)
