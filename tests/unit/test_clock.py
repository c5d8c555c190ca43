"""Time and chance: the system's, and those that a test holds still."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest

from engine.clock import FrozenClock, SystemClock, epoch_microseconds, uuid7
from tests.unit.examples import NOW


def test_a_uuid7_has_its_milliseconds_version_and_variant_where_the_standard_puts_them() -> None:
    made = uuid7(0x0123_4567_89AB, b"\xff" * 10)

    assert made.hex == "0123456789ab" + "7fff" + "bfff" + "ffffffffffff"
    assert made.version == 7
    assert made.variant == "specified in RFC 4122"


def test_a_uuid7_uses_74_bits_of_chance() -> None:
    without, full = uuid7(0, b"\0" * 10), uuid7(0, b"\xff" * 10)

    assert (without.int ^ full.int).bit_count() == 74


def test_a_uuid7_of_a_later_millisecond_is_greater_whatever_chance_says() -> None:
    earlier, later = uuid7(1, b"\xff" * 10), uuid7(2, b"\0" * 10)

    assert earlier < later
    assert str(earlier) < str(later)


def test_a_uuid7_keeps_the_lower_48_bits_of_its_milliseconds() -> None:
    assert uuid7(2**48 + 5, b"\0" * 10) == uuid7(5, b"\0" * 10)


def test_the_systems_ids_carry_the_present_millisecond() -> None:
    clock = SystemClock()
    before = epoch_microseconds(clock.now()) // 1000

    made = clock.uuid7()

    assert before <= made.int >> 80 <= epoch_microseconds(clock.now()) // 1000
    assert made.version == 7


def test_the_systems_ids_and_tokens_differ() -> None:
    clock = SystemClock()

    assert len({clock.uuid7() for _ in range(1000)}) == 1000
    assert len({clock.token(16) for _ in range(1000)}) == 1000
    assert [len(clock.token(count)) for count in (0, 1, 32)] == [0, 1, 32]


def test_the_systems_time_is_aware_and_its_seconds_do_not_run_backwards() -> None:
    clock = SystemClock()
    first = clock.monotonic()

    clock.sleep(0)
    clock.sleep(-1)

    assert clock.monotonic() >= first
    assert clock.now().tzinfo is UTC


def test_a_frozen_clock_moves_only_when_told_to() -> None:
    clock = FrozenClock(NOW)

    clock.advance(timedelta(seconds=90))
    clock.sleep(0.5)
    clock.sleep(0)
    clock.sleep(-5)

    assert clock.now() == NOW + timedelta(seconds=90.5)
    assert clock.monotonic() == 90.5


def test_a_frozen_clock_shows_utc_wherever_it_was_set() -> None:
    clock = FrozenClock(datetime(2026, 1, 31, 14, tzinfo=timezone(timedelta(hours=2))))

    assert clock.now().isoformat() == "2026-01-31T12:00:00+00:00"


def test_a_frozen_clocks_chance_counts_and_its_ids_are_in_order() -> None:
    clock = FrozenClock(NOW)

    ids = [clock.uuid7() for _ in range(100)]

    assert ids == sorted(set(ids))
    assert [clock.token(2), clock.token(2)] == [b"\0\x65", b"\0\x66"]
    assert len(clock.token(32)) == 32


def test_two_threads_never_get_the_same_frozen_id() -> None:
    clock, start = FrozenClock(NOW), threading.Barrier(2)
    found: list[list[UUID]] = [[], []]

    def take(into: list[UUID]) -> None:
        start.wait()
        into.extend(clock.uuid7() for _ in range(2000))

    threads = [threading.Thread(target=take, args=[into]) for into in found]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len({*found[0], *found[1]}) == 4000


@pytest.mark.parametrize(
    ("instant", "microseconds"),
    [
        ("1970-01-01T00:00:00+00:00", 0),
        ("1970-01-01T00:00:00.000001+00:00", 1),
        ("1969-12-31T23:59:59.999999+00:00", -1),
        ("2026-01-31T14:00:00.123456+02:00", 1_769_860_800_123_456),
        ("9999-12-31T23:59:59.999999+00:00", 253_402_300_799_999_999),
    ],
)
def test_an_instant_in_microseconds_is_exact(instant: str, microseconds: int) -> None:
    assert epoch_microseconds(datetime.fromisoformat(instant)) == microseconds
