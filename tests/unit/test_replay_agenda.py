"""The agenda: earliest first, a booking's steps never overtaking, nobody waiting for nothing."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from engine.clock import FrozenClock, SystemClock
from engine.replay.agenda import Agenda, Chain, chains_of
from engine.replay.story import DAY
from tests.unit.replay_examples import booking

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


def agenda_of(*chains: Chain, days_per_second: float | None = None) -> Agenda:
    return Agenda(chains, FrozenClock(NOW), days_per_second)


def taken(agenda: Agenda) -> list[tuple[int, str, int]]:
    """Every step in the order it is handed out: booking, operation, minute."""
    steps = []
    while (chain := agenda.take()) is not None:
        steps.append((chain.booking.number, chain.step.operation.name, chain.step.minute))
        chain.place += 1
        agenda.give_back(chain, goes_on=chain.steps_left > 0)
    return steps


def test_steps_of_different_bookings_interleave_by_the_booking_clock() -> None:
    early = booking(1, lead_time="60", booking_changes="2")
    late = booking(2, lead_time="20")

    steps = taken(agenda_of(*chains_of([late, early])))

    minutes = [minute for _, _, minute in steps]
    assert minutes == sorted(minutes)
    assert [name for number, name, _ in steps if number == 1] == [
        "CREATE",
        "UPDATE",
        "UPDATE",
        "SEND",
        "ACCEPT",
    ]
    assert [number for number, _, _ in steps][:2] == [1, 1]
    assert {number for number, _, _ in steps} == {1, 2}


def test_a_booking_in_hand_is_not_handed_out_again() -> None:
    agenda = agenda_of(*chains_of([booking(1, lead_time="60"), booking(2, lead_time="20")]))

    first = agenda.take()
    second = agenda.take()

    assert first is not None
    assert second is not None
    assert (first.booking.number, second.booking.number) == (1, 2)


def test_a_worker_waits_for_the_last_chain_that_another_has_in_hand() -> None:
    (chain,) = chains_of([booking()])
    agenda = Agenda([chain], SystemClock())
    assert agenda.take() is chain
    waiting = threading.Barrier(2)

    def take() -> Chain | None:
        waiting.wait()
        return agenda.take()

    with ThreadPoolExecutor(1) as threads:
        other = threads.submit(take)
        waiting.wait()
        chain.place += 1
        agenda.give_back(chain, goes_on=True)

        assert other.result() is chain


def test_a_worker_ends_when_the_last_chain_ends() -> None:
    (chain,) = chains_of([booking()])
    agenda = Agenda([chain], SystemClock())
    assert agenda.take() is chain

    with ThreadPoolExecutor(1) as threads:
        other = threads.submit(agenda.take)
        agenda.give_back(chain, goes_on=False)

        assert other.result() is None


def test_a_stopped_agenda_hands_out_nothing_and_knows_what_is_left() -> None:
    agenda = agenda_of(*chains_of([booking(1), booking(2)]))
    chain = agenda.take()
    assert chain is not None

    agenda.stop()
    agenda.give_back(chain, goes_on=True)

    assert agenda.take() is None
    assert {each.booking.number for each in agenda.left_over()} == {1, 2}


@pytest.mark.parametrize(("days_per_second", "seconds"), [(1.0, 30.0), (30.0, 1.0)])
def test_the_booking_clock_runs_at_the_speed_it_is_given(
    days_per_second: float, seconds: float
) -> None:
    clock = FrozenClock(NOW)

    steps = taken(Agenda(chains_of([booking(lead_time="30")]), clock, days_per_second))

    days = (steps[-1][2] - steps[0][2]) / DAY
    assert clock.monotonic() == pytest.approx(days / days_per_second, abs=0.1)
    assert clock.monotonic() == pytest.approx(seconds, rel=0.05)


def test_without_a_speed_nothing_waits() -> None:
    clock = FrozenClock(NOW)

    taken(Agenda(chains_of([booking(lead_time="300")]), clock))

    assert clock.monotonic() == 0


def test_a_row_without_a_day_takes_its_place_after_the_row_before() -> None:
    nowhere = {"arrival_date_year": "NA"}
    chains = chains_of(
        [booking(1, **nowhere), booking(2), booking(3, lead_time="5"), booking(4, **nowhere)]
    )

    assert chains[0].booked_day == chains[1].booked_day
    assert chains[3].booked_day == chains[2].booked_day


def test_a_file_without_any_day_is_told_all_the_same() -> None:
    steps = taken(agenda_of(*chains_of([booking(arrival_date_year="NA")])))

    assert len(steps) == 3
