"""API keys: what they look like, what they are for, and the only form in which they are stored."""

from __future__ import annotations

import base64
import hashlib
import re
from enum import StrEnum
from typing import Final

from engine.clock import Clock

# Recognisable to secret scanners, and to the person who finds one in a log.
PREFIX: Final = "sgk_"
_SECRET_BYTES: Final = 32
_KEY: Final = re.compile(rf"{PREFIX}[A-Za-z0-9_-]{{43}}", re.ASCII)


class Scope(StrEnum):
    """What a key is for."""

    READ = "read"
    # Reads as well.
    WRITE = "write"

    @property
    def may_write(self) -> bool:
        """Whether it is for calls that save."""
        return self is Scope.WRITE


def make_api_key(clock: Clock) -> str:
    """A new key with 256 bits of chance; shown once, never stored."""
    secret = base64.urlsafe_b64encode(clock.token(_SECRET_BYTES)).rstrip(b"=").decode()
    return PREFIX + secret


def hash_api_key(key: str) -> bytes:
    """SHA-256 of a key: with 256 bits of chance in it, nothing slower is needed.

    Keys are looked up by it, in an index, whose time may tell how much of a hash agrees with one
    that is stored. That is nothing to go on: who sends a key does not choose its hash, so that a
    better guess of a hash's beginning is no better guess of a key, and no hash leads back to one.
    """
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


def bearer_key(authorization: str | None) -> str | None:
    """The key in an `Authorization: Bearer …` header, None when there is none of our shape."""
    scheme, _, key = (authorization or "").partition(" ")
    key = key.strip()
    return key if scheme.lower() == "bearer" and _KEY.fullmatch(key) else None
