"""The only source of now, of waiting and of chance, so that tests can hold all three still."""

from __future__ import annotations

import os
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol
from uuid import UUID

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Clock(Protocol):
    """What the engine asks of time and chance."""

    def now(self) -> datetime:
        """The present instant, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never run backwards; only differences mean anything."""
        ...

    def sleep(self, seconds: float) -> None:
        """Waits; zero or less returns at once."""
        ...

    def token(self, count: int) -> bytes:
        """Unpredictable bytes, fit for keys and ids."""
        ...

    def uuid7(self) -> UUID:
        """A time-ordered id (RFC 9562, version 7), unique without asking anyone."""
        ...


class SystemClock:
    """The machine's own clock and the kernel's randomness."""

    def now(self) -> datetime:
        """The present instant, aware, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds that never run backwards."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Waits; zero or less returns at once."""
        if seconds > 0:
            time.sleep(seconds)

    def token(self, count: int) -> bytes:
        """Unpredictable bytes from the kernel."""
        return os.urandom(count)

    def uuid7(self) -> UUID:
        """A time-ordered id, see `uuid7`."""
        return uuid7(time.time_ns() // 1_000_000, os.urandom(10))


class FrozenClock:
    """A clock that moves only when told to; ids and chance count upwards.

    Sleeping moves it, so code that waits for a deadline ends at once in a test.
    """

    def __init__(self, now: datetime) -> None:
        """Starts at `now`, which must be aware."""
        self._now = now.astimezone(UTC)
        self._elapsed = 0.0
        self._count = 0
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """The instant it was set to."""
        return self._now

    def monotonic(self) -> float:
        """Seconds it was moved by."""
        return self._elapsed

    def sleep(self, seconds: float) -> None:
        """Moves instead of waiting."""
        if seconds > 0:
            # A wait shorter than the calendar can show would never be over.
            self.advance(max(timedelta(seconds=seconds), _MICROSECOND))

    def advance(self, by: timedelta) -> None:
        """Moves both the calendar and the elapsed time."""
        with self._lock:
            self._now += by
            self._elapsed += by.total_seconds()

    def token(self, count: int) -> bytes:
        """Bytes that count upwards, so that no two calls agree."""
        with self._lock:
            self._count += 1
            return self._count.to_bytes(16, "big")[-count:].rjust(count, b"\0")

    def uuid7(self) -> UUID:
        """A time-ordered id at the frozen instant."""
        return uuid7(epoch_microseconds(self._now) // 1000, self.token(10))


def uuid7(unix_ms: int, chance: bytes) -> UUID:
    """Builds an RFC 9562 version 7 id.

    Args:
        unix_ms: milliseconds since 1970, 48 bits.
        chance: ten unpredictable bytes, of which 74 bits are used.
    """
    value = (unix_ms & 0xFFFF_FFFF_FFFF) << 80 | int.from_bytes(chance, "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return UUID(int=value)


def epoch_microseconds(instant: datetime) -> int:
    """Whole microseconds from 1970 to an aware instant, without a float on the way."""
    return (instant - _EPOCH) // _MICROSECOND
