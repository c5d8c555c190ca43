"""The scanner finds a canary however it was spelled on its way, and nothing that is none."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Callable
from typing import Final
from urllib.parse import quote

import pytest

from tests.canaries.canaries import Scanner, canary

_TEXT: Final = canary("a thing")
_KEY: Final = "sgk_" + canary("a key") + "A" * 17
_OTHER: Final = canary("another thing")
SCANNER: Final = Scanner({"a thing": _TEXT, "a key": _KEY, "another thing": _OTHER})


def _within(text: str) -> str:
    return f'{{"note": "before {text} after"}}'


SPELLINGS: Final[dict[str, Callable[[str], bytes]]] = {
    "as it is": str.encode,
    "in capitals": lambda text: text.upper().encode(),
    "in a sentence": lambda text: _within(text).encode(),
    "in JSON in JSON": lambda text: json.dumps(_within(text)).encode(),
    "in JSON escapes": lambda text: "".join(f"\\u{ord(each):04X}" for each in text).encode(),
    "in a URL": lambda text: f"/x?y={quote(text, safe='')}&z".encode(),
    "percent for percent": lambda text: "".join(f"%{ord(each):02X}" for each in text).encode(),
    "in HTML": lambda text: html.escape(_within(text)).encode(),
    "in entities": lambda text: "".join(f"&#{ord(each)};" for each in text).encode(),
    "in hex": lambda text: text.encode().hex().encode(),
    "in hex, as bytea": lambda text: ("\\x" + _within(text).encode().hex()).encode(),
    "in hex and capitals": lambda text: text.encode().hex().upper().encode(),
    "in UTF-16": lambda text: _within(text).encode("utf-16"),
    "as Python spells bytes": lambda text: repr(_within(text).encode()).encode(),
    "cut short": lambda text: text[: text.index("canary") + 18].encode(),
    **{
        f"in base64, {before} before": lambda text, before=before: base64.b64encode(  # type: ignore[misc]
            b"x" * before + text.encode() + b"y"
        )
        for before in range(4)
    },
    "in base64 for URLs": lambda text: base64.urlsafe_b64encode(_within(text).encode()),
    "in base64, in capitals": lambda text: base64.b64encode(text.upper().encode()),
}


@pytest.mark.parametrize("text", [_TEXT, _KEY], ids=["a text", "a key"])
@pytest.mark.parametrize("spell", SPELLINGS.values(), ids=list(SPELLINGS))
def test_a_canary_is_found_however_it_is_spelled(text: str, spell: Callable[[str], bytes]) -> None:
    data = b"x" * 100_000 + spell(text) + b"y" * 100_000

    assert SCANNER.found(data) == {"a thing" if text is _TEXT else "a key"}


@pytest.mark.parametrize("data", [b"", b"canary", b"a canary in a mine" * 1000, bytes(range(256))])
def test_nothing_is_found_where_none_is(data: bytes) -> None:
    assert SCANNER.found(data) == set()


def test_each_canary_is_told_from_the_others() -> None:
    assert SCANNER.found(f"{_TEXT} {_OTHER}".encode()) == {"a thing", "another thing"}
    assert SCANNER.found_in([_TEXT.encode(), b"", _KEY.encode()]) == {"a thing", "a key"}
    assert len({canary(str(number)) for number in range(1_000)}) == 1_000
