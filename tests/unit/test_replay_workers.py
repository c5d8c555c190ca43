"""The workers: order, repeats, refusals, lost answers, interrupts; and figures that add up."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from uuid import UUID

import pytest

from engine.attempts.outcome import Outcome
from engine.clock import FrozenClock
from engine.errors import ErrorCode
from engine.quotes.lifecycle import Operation
from engine.replay.agenda import Agenda, chains_of
from engine.replay.bookings import Booking
from engine.replay.sender import Message, Reply, Unanswered, Unreachable, refused
from engine.replay.tally import Ended, Fate, Tally
from engine.replay.workers import Ending, Run, carry_out
from tests.unit.replay_examples import FakeSender, agencies_for, booking, saved

CREATE, UPDATE, SEND = Operation.CREATE, Operation.UPDATE, Operation.SEND


def run_of(bookings: Sequence[Booking], sender: FakeSender) -> Run:
    clock = FrozenClock(datetime(2026, 1, 31, 12, tzinfo=UTC))
    return Run(
        name="run",
        agenda=Agenda(chains_of(bookings), clock),
        agencies=agencies_for(bookings),
        open_sender=lambda: sender,
        tally=Tally(),
        clock=clock,
    )


def replayed(
    bookings: Sequence[Booking], answer: Callable[[Message], Reply] = saved, workers: int = 1
) -> tuple[Tally, list[Message]]:
    sender = FakeSender(answer)
    run = run_of(bookings, sender)
    assert carry_out(run, workers) is Ending.COMPLETE
    return run.tally, sender.sent


def steps_planned(bookings: Sequence[Booking]) -> int:
    return sum(len(chain.story) for chain in chains_of(bookings))


def refuse(
    code: ErrorCode, *operations: Operation, times: int = 1000, wait_s: float = 0
) -> Callable[[Message], Reply]:
    """An engine that refuses some operations, a number of times."""
    left = [times]

    def answer(message: Message) -> Reply:
        if message.operation in operations and left[0]:
            left[0] -= 1
            return Reply(Outcome.REJECTED, code, reason="bad", retry_after_s=wait_s)
        return saved(message)

    return answer


def test_every_step_starts_from_the_version_last_answered() -> None:
    _, sent = replayed([booking(booking_changes="2")])

    assert [(each.operation, each.version) for each in sent] == [
        (CREATE, 0),
        (UPDATE, 1),
        (UPDATE, 2),
        (SEND, 3),
        (Operation.ACCEPT, 4),
    ]
    assert sent[0].quote_id is None
    assert len({each.quote_id for each in sent[1:]}) == 1


def test_every_attempt_has_ids_of_its_own() -> None:
    _, sent = replayed([booking(1), booking(2)])

    assert len({each.correlation_id for each in sent}) == len(sent)
    assert len({each.idempotency_key for each in sent}) == len(sent)
    assert all(each.correlation_id.startswith("RPL-run-") for each in sent)


def test_no_step_is_sent_before_the_one_before_it_was_answered() -> None:
    bookings = [booking(n, booking_changes="3", lead_time=str(n % 7)) for n in range(1, 41)]
    under_way: set[str] = set()
    lock = threading.Lock()
    overtaken = []
    together = [0]
    meeting = threading.Barrier(4)

    def answer(message: Message) -> Reply:
        quote = message.correlation_id.rpartition("-")[0]
        with lock:
            overtaken.extend([quote] if quote in under_way else [])
            under_way.add(quote)
            together[0] = max(together[0], len(under_way))
            is_first = message.correlation_id in {f"RPL-run-{n}-0" for n in first_four}
        if is_first:
            meeting.wait(10)  # four workers are at it at once
        with lock:
            under_way.discard(quote)
        return saved(message)

    chains = sorted(chains_of(bookings), key=lambda chain: chain.step.minute)
    first_four = [chain.booking.number for chain in chains[:4]]
    tally, sent = replayed(bookings, answer, workers=4)

    assert overtaken == []
    assert together[0] == 4
    assert tally.fates == {Fate.TOLD: 40}
    for number in range(1, 41):
        mine = [each for each in sent if each.correlation_id.startswith(f"RPL-run-{number}-")]
        assert [each.version for each in mine] == list(range(6))


def test_a_booking_refused_at_its_creation_is_not_told_on() -> None:
    bookings = [booking(1), booking(2, booking_changes="4")]

    tally, sent = replayed(bookings, refuse(ErrorCode.QUOTE_VALIDATION_FAILED, CREATE))

    assert [each.operation for each in sent] == [CREATE, CREATE]
    assert tally.fates == {Fate.REFUSED: 2}
    assert tally.reasons == {(ErrorCode.QUOTE_VALIDATION_FAILED, "bad"): 2}
    assert tally.sent + tally.unsent == steps_planned(bookings)


@pytest.mark.parametrize(
    "code",
    [
        ErrorCode.QUOTE_CONFLICT_VERSION,  # never resent blindly
        ErrorCode.QUOTE_PERSISTENCE_FAILED,  # CRITICAL is shown, not repeated by a program
        ErrorCode.QUOTE_ALREADY_SENT,
        ErrorCode.INTERNAL_ERROR,
    ],
)
def test_a_later_refusal_breaks_the_story_off(code: ErrorCode) -> None:
    bookings = [booking(booking_changes="1")]

    tally, sent = replayed(bookings, refuse(code, UPDATE))

    assert [each.operation for each in sent] == [CREATE, UPDATE]
    assert tally.fates == {Fate.BROKEN_OFF: 1}
    assert tally.attempts[Ended(UPDATE, Outcome.REJECTED, code)] == 1
    assert tally.sent + tally.unsent == steps_planned(bookings)


@pytest.mark.parametrize("code", [ErrorCode.DATABASE_TIMEOUT, ErrorCode.RATE_LIMIT_EXCEEDED])
def test_what_a_program_may_repeat_is_repeated_under_the_same_key(code: ErrorCode) -> None:
    bookings = [booking()]

    tally, sent = replayed(bookings, refuse(code, SEND, times=2))

    tries = [each for each in sent if each.operation is SEND]
    assert len(tries) == 3
    assert len({each.idempotency_key for each in tries}) == 1
    assert len({each.correlation_id for each in tries}) == 3
    assert tally.fates == {Fate.TOLD: 1}
    assert tally.repeats == 2
    assert tally.sent - tally.repeats == steps_planned(bookings)


def test_a_repeat_waits_as_long_as_it_is_told_to() -> None:
    sender = FakeSender(refuse(ErrorCode.RATE_LIMIT_EXCEEDED, SEND, times=1, wait_s=12.0))
    run = run_of([booking()], sender)

    carry_out(run, 1)

    assert run.clock.monotonic() == pytest.approx(12.0)


def test_what_does_not_stop_being_refused_is_given_up() -> None:
    tally, sent = replayed([booking()], refuse(ErrorCode.DATABASE_TIMEOUT, SEND))

    assert len([each for each in sent if each.operation is SEND]) == 5
    assert tally.fates == {Fate.BROKEN_OFF: 1}


def test_a_lost_answer_is_asked_for_again_under_the_same_key() -> None:
    lost: list[str] = []

    def answer(message: Message) -> Reply:
        if message.operation is CREATE and not lost:
            lost.append(message.correlation_id)
            raise Unanswered
        if message.operation is CREATE:
            return Reply(Outcome.REPLAYED, quote_id=UUID(int=1), version=1)
        return saved(message)

    bookings = [booking()]
    tally, sent = replayed(bookings, answer)

    assert sent[0].idempotency_key == sent[1].idempotency_key
    assert list(tally.unanswered) == lost
    assert tally.attempts[Ended(CREATE, Outcome.REPLAYED, None)] == 1
    assert tally.fates == {Fate.TOLD: 1}
    assert tally.sent - tally.repeats == steps_planned(bookings)


def test_a_story_whose_answers_are_all_lost_is_broken_off() -> None:
    def answer(_message: Message) -> Reply:
        raise Unanswered

    bookings = [booking()]
    tally, _ = replayed(bookings, answer)

    assert tally.fates == {Fate.BROKEN_OFF: 1}
    assert len(tally.unanswered) == 5
    assert tally.sent - tally.repeats + tally.unsent == steps_planned(bookings)


def test_a_server_that_comes_back_is_waited_for_and_costs_no_attempt() -> None:
    away = [3]

    def answer(message: Message) -> Reply:
        if away[0]:
            away[0] -= 1
            raise Unreachable
        return saved(message)

    bookings = [booking()]
    tally, _ = replayed(bookings, answer)

    assert tally.fates == {Fate.TOLD: 1}
    assert tally.sent == steps_planned(bookings)


def test_a_server_that_stays_away_ends_the_run() -> None:
    def answer(message: Message) -> Reply:
        if message.operation is not CREATE:
            raise Unreachable
        return saved(message)

    bookings = [booking(1), booking(2, lead_time="3")]
    run = run_of(bookings, FakeSender(answer))

    ending = carry_out(run, 2)

    assert ending is Ending.SERVER_GONE
    assert run.tally.fates.total() == 2
    assert run.tally.sent + run.tally.unsent == steps_planned(bookings)


def test_an_interrupt_lets_the_attempt_under_way_end_and_drops_the_rest() -> None:
    is_sent, may_answer = threading.Event(), threading.Event()

    def answer(message: Message) -> Reply:
        is_sent.set()
        may_answer.wait(10)
        return saved(message)

    def press(_tally: Tally) -> None:
        is_sent.wait(10)
        if not run.agenda.is_stopped:
            signal.raise_signal(signal.SIGINT)
            return
        may_answer.set()

    bookings = [booking(n) for n in range(1, 10)]
    run = run_of(bookings, FakeSender(answer))

    ending = carry_out(run, 1, press)

    assert ending is Ending.INTERRUPTED
    assert run.tally.sent == 1
    assert run.tally.fates == {Fate.CUT_SHORT: 9}
    assert run.tally.sent + run.tally.unsent == steps_planned(bookings)


def test_what_a_worker_does_not_expect_ends_the_run_and_is_raised() -> None:
    def answer(_message: Message) -> Reply:
        raise ZeroDivisionError

    run = run_of([booking(n) for n in range(1, 10)], FakeSender(answer))

    with pytest.raises(ZeroDivisionError):
        carry_out(run, 3)

    assert run.agenda.is_stopped


def test_a_glance_is_given_the_counts() -> None:
    seen = []

    run = run_of([booking()], FakeSender())
    carry_out(run, 1, lambda tally: seen.append(tally.bookings))

    assert seen[-1] == 1


def test_a_reason_names_the_first_violations_and_counts_the_rest() -> None:
    code = ErrorCode.QUOTE_VALIDATION_FAILED
    errors = [{"field": f"f{n}", "message": "is bad"} for n in range(5)]

    listed = refused(code, "Bad.", {"errors": errors})
    unlisted = refused(code, "The body is not JSON.", {"reason": "body"})

    assert listed.reason == "f0 is bad; f1 is bad; f2 is bad; and 2 more"
    assert unlisted.reason == "The body is not JSON."
    assert listed.outcome is unlisted.outcome is Outcome.REJECTED


def test_a_refusal_in_doubt_is_not_called_a_failure() -> None:
    reply = refused(ErrorCode.DATABASE_TIMEOUT, "Nobody knows.", {"outcome": "indeterminate"})

    assert reply.outcome is Outcome.INDETERMINATE
