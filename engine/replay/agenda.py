"""The agenda: which booking's next step is due, by the booking clock, for workers to take.

A booking whose step is being sent is with its worker, not on the agenda, so its steps cannot
overtake each other; whatever else is due goes to the other workers.
"""

from __future__ import annotations

import heapq
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from engine.clock import Clock
from engine.replay.bookings import Booking
from engine.replay.story import DAY, Step, first_minute, story_of

# A worker that waits for a step to fall due looks up this often: another may have become due
# earlier, or the run may be over.
_LOOK_S: Final = 0.05
_LEAST_S: Final = 0.001


@dataclass(slots=True)
class Chain:
    """A booking on its way through its story.

    Attributes:
        booking: the row.
        booked_day: the day it was made; of the row before where the row does not say.
        place: the next step.
        quote_id: the quote, once it is created.
        version: the version last answered.
    """

    booking: Booking
    booked_day: int
    place: int = 0
    quote_id: UUID | None = None
    version: int = 0
    _steps: tuple[Step, ...] = ()

    @property
    def step(self) -> Step:
        """The step to be sent next."""
        return self.story[self.place]

    @property
    def steps_left(self) -> int:
        """Steps not yet answered."""
        return len(self.story) - self.place

    @property
    def story(self) -> tuple[Step, ...]:
        """The story; worked out when it is first asked for, since all of them at once are many."""
        if not self._steps:
            self._steps = story_of(self.booking, self.booked_day)
        return self._steps


def chains_of(bookings: Iterable[Booking]) -> list[Chain]:
    """The bookings at the beginning of their stories, in the order of the file."""
    days = [(booking, booking.booked_day) for booking in bookings]
    day_before = next((day for _, day in days if day is not None), 1)
    chains = []
    for booking, booked_day in days:
        day_before = day_before if booked_day is None else booked_day
        chains.append(Chain(booking, day_before))
    return chains


class Agenda:
    """Hands out chains whose next step is due, the earliest first; safe to use from any thread."""

    def __init__(
        self, chains: Iterable[Chain], clock: Clock, days_per_second: float | None = None
    ) -> None:
        """Puts the chains in order.

        Args:
            chains: at their beginning.
            clock: for waiting until a step is due.
            days_per_second: how fast the booking clock runs; None lets nothing wait.
        """
        self._clock = clock
        self._minutes_per_second = None if days_per_second is None else days_per_second * DAY
        self._heap = [
            (first_minute(chain.booking, chain.booked_day), chain.booking.number, chain)
            for chain in chains
        ]
        heapq.heapify(self._heap)
        self._first_minute = self._heap[0][0] if self._heap else 0
        self._started = clock.monotonic()
        self._changed = threading.Condition()
        self._in_hand = 0
        self._is_stopped = False

    @property
    def is_stopped(self) -> bool:
        """Whether the run was broken off."""
        return self._is_stopped

    def take(self) -> Chain | None:
        """The chain whose step is next, once it is due; None when there is nothing left to do."""
        while True:
            with self._changed:
                while not self._heap and self._in_hand and not self._is_stopped:
                    self._changed.wait()
                if self._is_stopped or not self._heap:
                    return None
                wait = self._due_in(self._heap[0][0])
                if wait <= 0:
                    self._in_hand += 1
                    return heapq.heappop(self._heap)[-1]
            self._clock.sleep(min(max(wait, _LEAST_S), _LOOK_S))

    def give_back(self, chain: Chain, *, goes_on: bool) -> None:
        """Puts a chain back for its next step, or lets it end."""
        with self._changed:
            self._in_hand -= 1
            if goes_on:
                entry = (chain.step.minute, chain.booking.number, chain)
                heapq.heappush(self._heap, entry)
            self._changed.notify_all()

    def stop(self) -> None:
        """Breaks the run off: whoever takes gets nothing more."""
        with self._changed:
            self._is_stopped = True
            self._changed.notify_all()

    def left_over(self) -> list[Chain]:
        """The chains that a stopped run has not told to their end."""
        with self._changed:
            return [chain for _, _, chain in self._heap]

    def _due_in(self, minute: int) -> float:
        if self._minutes_per_second is None:
            return 0.0
        due = self._started + (minute - self._first_minute) / self._minutes_per_second
        return due - self._clock.monotonic()
