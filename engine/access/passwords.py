"""Passwords: what one must be like, how it is stored, and whether one is right.

A miss takes as long as a hit: an account without a password, or none at all, is compared with a
hash that no password has, by the same work.
Source of the cost: RFC 9106, section 4, the second recommended setting (64 MiB, three passes).
"""

from __future__ import annotations

import threading
from functools import cache
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import Type

LENGTH_MIN: Final = 12
# Longer ones add nothing, and would let anybody have megabytes hashed.
LENGTH_MAX: Final = 1024

_HASHER: Final = PasswordHasher(time_cost=3, memory_cost=64 * 1024, parallelism=4, type=Type.ID)
# Each takes 64 MiB while it is being hashed.
_AT_ONCE: Final = threading.BoundedSemaphore(2)


def password_fault(password: str, email: str) -> str | None:
    """What is wrong with a new password, in a sentence; None when nothing is.

    Length counts, not kinds of characters (NIST SP 800-63B, section 5.1.1.2).

    Args:
        password: as typed.
        email: of its account; what is in the name before the @ is guessed first.
    """
    if len(password) < LENGTH_MIN:
        return f"A password needs at least {LENGTH_MIN} characters."
    if len(password) > LENGTH_MAX:
        return f"A password has at most {LENGTH_MAX:,} characters."
    if len(set(password)) <= LENGTH_MIN // 4:
        return "This password repeats a few characters; choose another."
    folded, name = password.casefold(), email.casefold().partition("@")[0]
    if folded in {email.casefold(), name} or (name and not folded.replace(name, "").strip()):
        return "This password is made of the e-mail address; choose another."
    return None


def hash_password(password: str) -> str:
    """The argon2id hash of a password, with a salt of its own and the cost in it."""
    with _AT_ONCE:
        return _HASHER.hash(_bytes_of(password))


def is_right(password: str, stored: str | None) -> bool:
    """Whether a password is the one behind a hash; takes as long when there is none.

    Args:
        password: as typed.
        stored: its account's hash; None when there is no account or no password.
    """
    offered, nobodys = _bytes_of(password[:LENGTH_MAX]), _nobodys(_HASHER)
    with _AT_ONCE:
        try:
            _HASHER.verify(stored or nobodys, offered)
        except (VerificationError, InvalidHashError):
            return False
    return stored is not None and len(password) <= LENGTH_MAX


def is_outdated(stored: str) -> bool:
    """Whether a hash was made at another cost than today's."""
    return _HASHER.check_needs_rehash(stored)


@cache
def _nobodys(hasher: PasswordHasher) -> str:
    """A hash at the cost of a hasher, of something that nobody can type."""
    return hasher.hash(b"\xff\xfe of nobody")


def _bytes_of(password: str) -> bytes:
    return password.encode("utf-8", "surrogatepass")
