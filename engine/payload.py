"""JSON in and out: strict on the way in, canonical for hashing, decimals exact both ways."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from decimal import Decimal, InvalidOperation
from typing import Any, Final, NoReturn

import msgspec

# Deeper than any quote, and far from the interpreter's recursion limit.
DEPTH_MAX: Final = 32
# No amount has more digits; a number beyond this would cost us more to read than to refuse.
_NUMBER_LENGTH_MAX: Final = 40
_EXPONENT_MAX: Final = 30
_EXPONENT: Final = frozenset("eE")

_encoder = msgspec.json.Encoder(decimal_format="number")
_sorted_encoder = msgspec.json.Encoder(decimal_format="number", order="sorted")
_decoder = msgspec.json.Decoder(float_hook=Decimal)

encode = _encoder.encode
decode_stored = _decoder.decode


class MalformedBody(Exception):  # noqa: N818  # the caller's mistake, not a failure of ours
    """A body is not the JSON object that we take; the message says why, and nothing of it."""


def parse_object(body: bytes) -> dict[str, Any]:
    """Reads a JSON object: no duplicate keys, no NaN, no lone surrogates, bounded depth.

    Fractions become Decimal, so that no amount ever passes through a binary float.

    Raises:
        MalformedBody: the body is anything else.
    """
    try:
        value = json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_float=_fraction,
            parse_int=_whole,
            parse_constant=_no_constant,
        )
    except MalformedBody:
        raise
    except UnicodeDecodeError:
        raise MalformedBody("The body is not UTF-8 text.") from None
    except RecursionError:
        raise MalformedBody("The body is nested too deeply.") from None
    except ValueError:
        raise MalformedBody("The body is not JSON.") from None
    if type(value) is not dict:
        raise MalformedBody("The body must be a JSON object.")
    if _depth(value) > DEPTH_MAX:
        raise MalformedBody("The body is nested too deeply.")
    # Only an escape can smuggle a lone surrogate in; most bodies have none and skip the check.
    if b"\\u" in body and not _is_unicode(value):
        raise MalformedBody("The body holds text that is not valid Unicode.")
    return value


def canonical_hash(value: Mapping[str, Any]) -> bytes:
    """SHA-256 over the canonical JSON of a body: sorted keys, numbers in their shortest form."""
    return hashlib.sha256(_sorted_encoder.encode(_canonical(value))).digest()


def _canonical(value: Any) -> Any:  # noqa: ANN401  # JSON
    kind = type(value)
    if kind is dict:
        return {key: _canonical(part) for key, part in value.items()}
    if kind is list:
        return [_canonical(part) for part in value]
    if kind is Decimal:
        # 200, 200.0 and 2E+2 are one number and must give one hash.
        whole = int(value)
        return whole if whole == value else Decimal(format(value, "f").rstrip("0"))
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise MalformedBody("The body names a key twice.")
    return found


def _fraction(digits: str) -> Decimal:
    if len(digits) <= _NUMBER_LENGTH_MAX:
        # An exponent of twenty digits is more than Decimal itself can hold.
        with suppress(InvalidOperation):
            number = Decimal(digits)
            if abs(number.adjusted()) <= _EXPONENT_MAX:
                # 1e1 is 10 in the database, so it is 10 in every answer.
                return number if _EXPONENT.isdisjoint(digits) else Decimal(format(number, "f"))
    raise MalformedBody("The body holds a number that is out of range.")


def _whole(digits: str) -> int:
    if len(digits) > _NUMBER_LENGTH_MAX:
        raise MalformedBody("The body holds a number that is out of range.")
    return int(digits)


def _no_constant(_name: str) -> NoReturn:
    raise MalformedBody("The body holds NaN or Infinity, which JSON does not have.")


def _depth(value: object) -> int:
    deepest = 0
    level: list[Any] = [value]
    while level:
        deepest += 1
        below: list[Any] = []
        for part in level:
            inner = part.values() if type(part) is dict else part
            below += [each for each in inner if type(each) is dict or type(each) is list]
        level = below
    return deepest


def _is_unicode(value: dict[str, Any]) -> bool:
    try:
        json.dumps(value, ensure_ascii=False, default=str).encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
