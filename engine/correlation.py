"""Correlation ids: one for each request, the same in every layer, speakable on the phone.

Ours are `REQ-` followed by 27 characters of Crockford base 32: 26 for a UUIDv7 (so they sort by
time) and one check character. The check is a weighted sum over the field of 32 elements with a
different weight for each place, so every single mistyped character and every swap of two
characters shows. (Crockford's own modulus of 37 needs five symbols that a header may not carry;
a modulus of 31 would miss swaps, since 32 leaves 1.)
Source of the alphabet: Douglas Crockford, "Base 32".
"""

from __future__ import annotations

import re
from uuid import UUID

PREFIX = "REQ-"
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
BODY_LENGTH = 26
_DECODE = {letter: value for value, letter in enumerate(ALPHABET)}
_ACCEPTED = re.compile(r"[A-Za-z0-9._-]{8,64}", re.ASCII)
# Version ff, and a trace or a parent of zeros only, are not valid (W3C Trace Context, section 3.2).
_TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}", re.ASCII
)
_FIELD_POLYNOMIAL = 0b100101  # x^5 + x^2 + 1, primitive over two elements


def _times_x(element: int) -> int:
    """Multiplies an element of the field of 32 by its generator."""
    doubled = element << 1
    return doubled ^ _FIELD_POLYNOMIAL if doubled & 32 else doubled


# The id is read two characters (ten bits) at a time: half the steps on the save path.
_PAIRS = tuple(high + low for high in ALPHABET for low in ALPHABET)
_PAIR_SUM = tuple(_times_x(high) ^ low for high in range(32) for low in range(32))
_TIMES_X_SQUARED = tuple(_times_x(_times_x(element)) for element in range(32))


def check_character(value: int) -> str:
    """The character that comes after 26 others.

    It is linear over two elements: of values put together by exclusive or, the checks are, too.

    Args:
        value: of the 26 characters, five bits each.
    """
    check = 0
    for shift in range(120, -1, -10):
        check = _TIMES_X_SQUARED[check] ^ _PAIR_SUM[value >> shift & 1023]
    return ALPHABET[_times_x(check)]


def make_correlation_id(request_id: UUID) -> str:
    """Spells a UUIDv7 as a correlation id."""
    value = request_id.int
    body = "".join([_PAIRS[value >> shift & 1023] for shift in range(120, -1, -10)])
    return PREFIX + body + check_character(value)


def has_valid_check(correlation_id: str) -> bool:
    """Whether an id of our own making is spelled right; False for ids made elsewhere."""
    body = correlation_id.removeprefix(PREFIX)
    if len(body) != BODY_LENGTH + 1 or not correlation_id.startswith(PREFIX):
        return False
    value = 0
    for letter in body[:-1]:
        digit = _DECODE.get(letter)
        if digit is None:
            return False
        value = value << 5 | digit
    return check_character(value) == body[-1]


def accepted_correlation_id(header: str | None) -> str | None:
    """The caller's own id when it is 8 to 64 characters of [A-Za-z0-9._-], else None."""
    return header if header is not None and _ACCEPTED.fullmatch(header) else None


def accepted_traceparent(header: str | None) -> str | None:
    """The caller's W3C traceparent when it is well formed, else None."""
    return header if header is not None and _TRACEPARENT.fullmatch(header) else None
