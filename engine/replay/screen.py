"""What a person sees while a replay runs: one bar, on standard error, and only on a terminal."""

from __future__ import annotations

from types import TracebackType
from typing import Final, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from engine.clock import Clock
from engine.replay.tally import Tally

# The pace shown is that of the last seconds: long enough to be read, short enough to be true.
_PACE_S: Final = 2.0


class Screen:
    """A bar that is started anew for each part of the work; shows nothing where nobody looks."""

    def __init__(self, clock: Clock, console: Console | None = None) -> None:
        """Takes what it draws on.

        Args:
            clock: for the pace.
            console: of a terminal; None to show nothing.
        """
        self._clock = clock
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[pace]}"),
            console=console,
            disable=console is None,
            transient=True,
        )
        self._task = self._bar.add_task("", total=None, pace="", visible=False)
        self._seen = (0.0, 0)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def begin(self, what: str, total: int) -> None:
        """Starts a part of the work."""
        self._seen = (self._clock.monotonic(), 0)
        self._bar.reset(self._task, total=total, description=what, pace="", visible=True)

    def show(self, done: int) -> None:
        """Moves the bar."""
        self._bar.update(self._task, completed=done)

    def show_tally(self, tally: Tally) -> None:
        """Moves the bar to the bookings that are done, with the pace of the saves."""
        now, (since, saves) = self._clock.monotonic(), self._seen
        self.show(tally.bookings)
        if now - since >= _PACE_S:
            pace = (tally.saves - saves) / (now - since)
            self._bar.update(self._task, pace=f"{pace:,.0f} saves/s")
            self._seen = (now, tally.saves)


def terminal_screen(clock: Clock) -> Screen:
    """A screen on standard error if that is a terminal, else one that shows nothing."""
    console = Console(stderr=True)
    return Screen(clock, console if console.is_terminal else None)
