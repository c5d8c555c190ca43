"""The workers: they take steps from the agenda, send them, and count what is answered.

A refusal is tried again only where the domain allows it to a program (retryable, severity HIGH or
lower), and a lost answer always, both under the idempotency key of the first try. A version
conflict is retryable by its code, but after a reload, and nobody else saves these quotes: it ends
the story, as every other refusal does.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, Self

from engine.clock import Clock
from engine.errors import TAXONOMY, ErrorCode, Severity
from engine.replay.agencies import Agency, agency_name, party_of
from engine.replay.agenda import Agenda, Chain
from engine.replay.sender import Message, Reply, Sender, Unanswered, Unreachable
from engine.replay.story import body_of
from engine.replay.tally import Fate, Tally

# Tries after the first, of a refusal that allows them and of a lost answer.
_REPEATS_MAX: Final = 4
_PAUSE_S: Final = 0.25
# How long a server may be away, for example while it restarts, before the run is given up.
_AWAY_S: Final = 30.0
_GLANCE_S: Final = 0.25
# Ctrl-C, and what a supervisor sends.
_STOPS: Final = (signal.SIGINT, signal.SIGTERM)

Glance = Callable[[Tally], None]


class Ending(Enum):
    """How a run ended."""

    COMPLETE = "complete"
    INTERRUPTED = "interrupted"
    SERVER_GONE = "the server went away"


class ServerGone(Exception):  # noqa: N818  # of the server, not of the program
    """The server went away during the run and did not come back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What the workers of a run share.

    Attributes:
        name: of this run; every correlation id starts with it.
        agenda: what is to be done.
        agencies: by name.
        open_sender: gives a worker its own line.
        tally: what is counted.
        clock: time.
    """

    name: str
    agenda: Agenda
    agencies: Mapping[str, Agency]
    open_sender: Callable[[], Sender]
    tally: Tally
    clock: Clock


def make_run_name(clock: Clock) -> str:
    """A name that no other run has, fit for correlation ids and e-mail addresses."""
    return clock.token(5).hex()


def correlation_prefix(name: str) -> str:
    """How every correlation id of a run starts."""
    return f"RPL-{name}-"


def carry_out(run: Run, workers: int, glance: Glance = lambda _tally: None) -> Ending:
    """Tells every booking's story, or as much of it as there is time for.

    An interrupt lets the attempts under way end and breaks the rest off.

    Args:
        run: what to do.
        workers: how many attempts at once.
        glance: called a few times a second, to show how far it is.

    Raises:
        Exception: what a worker did not expect; by then the others have ended.
    """
    with ThreadPoolExecutor(workers, "replay") as threads:
        try:
            working = [threads.submit(_work, run) for _ in range(workers)]
            was_interrupted = _watch(run, working, glance)
        except BaseException:  # leaving would wait for every booking to be told
            run.agenda.stop()
            raise
    for chain in run.agenda.left_over():
        run.tally.ended(Fate.CUT_SHORT, unsent=chain.steps_left)
    errors = [error for error in (worker.exception() for worker in working) if error is not None]
    for error in errors:
        if not isinstance(error, ServerGone):
            raise error
    if was_interrupted:
        return Ending.INTERRUPTED
    return Ending.SERVER_GONE if errors else Ending.COMPLETE


def _watch(run: Run, working: list[Future[None]], glance: Glance) -> bool:
    """Waits for the workers; returns whether they were interrupted."""
    pending = set(working)
    with _NotedStops() as stops:
        while pending:
            _, pending = wait(pending, timeout=_GLANCE_S)
            glance(run.tally)
            if stops.were_sent:
                run.agenda.stop()
    return stops.were_sent


class _NotedStops:
    """Notes a stop signal, where its usual handler would raise in the middle of anything.

    Raised inside `wait`, it would leave behind locks that the workers need in order to end.
    """

    def __init__(self) -> None:
        self.were_sent = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = {each: signal.signal(each, self._note) for each in _STOPS}
        return self

    def __exit__(self, *_raised: object) -> None:
        for each, handler in self._before.items():
            signal.signal(each, handler)

    def _note(self, _number: int, _frame: object) -> None:
        self.were_sent = True


def _work(run: Run) -> None:
    agenda = run.agenda
    sender = run.open_sender()
    try:
        while (chain := agenda.take()) is not None:
            goes_on = True
            try:
                goes_on = _tell_next(run, sender, chain)
            except BaseException:
                agenda.stop()
                raise
            finally:
                agenda.give_back(chain, goes_on=goes_on)
    finally:
        sender.close()


def _tell_next(run: Run, sender: Sender, chain: Chain) -> bool:
    """Sends the next step of a story; returns whether there is another."""
    reply = _answered(run, sender, chain)
    if reply is None or reply.code is not None:
        is_refused = reply is not None and chain.place == 0
        run.tally.ended(
            Fate.REFUSED if is_refused else Fate.BROKEN_OFF,
            unsent=chain.steps_left - 1,
            refusal=reply if is_refused else None,
        )
        return False
    chain.quote_id, chain.version = reply.quote_id, reply.version
    chain.place += 1
    if not chain.steps_left:
        run.tally.ended(Fate.TOLD)
    return chain.steps_left > 0


def _answered(run: Run, sender: Sender, chain: Chain) -> Reply | None:
    """Sends a step until it has its answer, or may not be sent again; None without any."""
    clock, tally = run.clock, run.tally
    away_since: float | None = None
    tries = 0
    while True:
        message = _message(run, chain, tries)
        started = clock.monotonic()
        reply: Reply | None = None
        try:
            reply = sender.send(message)
        except Unreachable:
            away_since = started if away_since is None else away_since
            if run.agenda.is_stopped or started - away_since > _AWAY_S:
                raise ServerGone from None
            clock.sleep(_PAUSE_S)
            continue
        except Unanswered:
            tally.not_answered(message, is_repeat=tries > 0)
        else:
            seconds = clock.monotonic() - started
            tally.answered(message, reply, seconds, is_repeat=tries > 0)
        tries += 1
        if run.agenda.is_stopped or tries > _REPEATS_MAX or not _may_repeat(reply):
            return reply
        pause = 0.0 if reply is None else reply.retry_after_s
        _wait(run, max(pause, _PAUSE_S * 2 ** (tries - 1)))


def _message(run: Run, chain: Chain, tries: int) -> Message:
    booking, step = chain.booking, chain.step
    agency = run.agencies[agency_name(booking)]
    key = f"{correlation_prefix(run.name)}{booking.number}-{step.place}"
    return Message(
        agency=agency,
        operation=step.operation,
        body=body_of(booking, step, str(agency.client_ids[party_of(booking)])),
        quote_id=chain.quote_id,
        version=chain.version,
        correlation_id=f"{key}.{tries}" if tries else key,
        idempotency_key=key,
    )


def _may_repeat(reply: Reply | None) -> bool:
    """Whether a program may try again without asking anybody."""
    if reply is None:
        return True
    if reply.code is None or reply.code is ErrorCode.QUOTE_CONFLICT_VERSION:
        return False
    meaning = TAXONOMY[reply.code]
    return meaning.retryable and meaning.severity <= Severity.HIGH


def _wait(run: Run, seconds: float) -> None:
    """Waits, but not longer than the run goes on."""
    end = run.clock.monotonic() + seconds
    while not run.agenda.is_stopped and (left := end - run.clock.monotonic()) > 0:
        run.clock.sleep(min(left, _PAUSE_S))
