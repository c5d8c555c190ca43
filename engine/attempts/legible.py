"""Text as somebody pasted it, made legible: what pages, logs and screenshots put into it undone.

Every step takes time in proportion to the text, whatever the text is.
"""

from __future__ import annotations

import html
import re
import unicodedata
from typing import Final
from urllib.parse import unquote

# A dash is not always of the category: minus signs and the hyphen bullet are symbols or marks.
_DASHES: Final = frozenset("\u2043\u2212\u2796\u02d7\u00ad\u30fc")
# Letters of other alphabets that look just like ours.
_TWINS: Final = str.maketrans(
    "\u0410\u0412\u0415\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0423\u0425\u0405\u0406\u0408"
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0455\u0456\u0458"
    "\u0391\u0392\u0395\u0396\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a5\u03a7\u03bf",
    "ABEKMHOPCTYXSIJaeopcyxsijABEZHIKMNOPTYXo",
)
# What JSON, and the programs that print strings, write in place of a character.
_ESCAPED: Final = re.compile(r"\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|([nrtbfv\"'/\\]))")
# What a line may start with when it goes on, and what may stand at the end of one that does.
_LEAD: Final = " \t\v\f>|\u2502"
_TAIL: Final = " \t\v\f|\u2502=\\\u21b5\u21a9"
# Quoting of quotings: an address in JSON in a log line is written twice over.
_LAYERS: Final = 2


def legible(text: str) -> str:
    """The text in plain characters.

    Undone are escapes of JSON, addresses and HTML, compatibility forms such as full-width letters,
    the many dashes and blanks, invisible characters, and letters of other alphabets that look like
    ours. Line breaks stay.
    """
    for _ in range(_LAYERS):
        text = _unescaped(text)
    table = {ord(each): _plain(each) for each in set(text) if not _is_plain(each)}
    return text.translate(table)


def lines(text: str) -> list[str]:
    """The lines of a legible text, without what a wrapped or quoted one has at its ends."""
    return [line.lstrip(_LEAD).rstrip(_TAIL) for line in text.splitlines()]


def _unescaped(text: str) -> str:
    if "\\" in text:
        text = _ESCAPED.sub(_of_escape, text)
    if "%" in text:
        text = unquote(text, errors="ignore")
    return html.unescape(text) if "&" in text else text


def _of_escape(found: re.Match[str]) -> str:
    code = found[1] or found[2]
    if code:
        return chr(int(code, 16))
    return found[3] if found[3] in "\"'/\\" else "\n"


def _is_plain(character: str) -> bool:
    return " " <= character <= "~" or character in "\n\r\t"


def _plain(character: str) -> str:
    """One character in plain ones; a blank for what cannot be part of anything looked for."""
    if character in _DASHES or unicodedata.category(character) == "Pd":
        return "" if character == "\u00ad" else "-"
    match unicodedata.category(character):
        case "Cf" | "Mn" | "Me":  # invisible, or a mark on the letter before
            return ""
        case "Zl" | "Zp":
            return "\n"
        case "Cc" | "Zs" | "Cs":
            return " "
        case _:
            # By itself, since the order of a long run of marks takes its square to put right.
            plain = unicodedata.normalize("NFKC", character).translate(_TWINS)
            return plain if len(plain) <= _EXPANDED_MAX else " "


# The longest that is made of one character that belongs into an id is an ellipsis.
_EXPANDED_MAX: Final = 3
