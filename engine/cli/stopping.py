"""Serving from the first word to the last: what is started, and that it was stopped."""

from __future__ import annotations

import logging
import signal
import sys
from types import FrameType, TracebackType
from typing import Any, Final

import click

from engine.database.target import describe
from engine.settings import Settings

_STOPS: Final = (signal.SIGINT, signal.SIGTERM)
# By then Python has left what it was collecting.
_AGAIN_S: Final = 0.05


class until_stopped:  # noqa: N801  # reads as a phrase in a with statement
    """Ends the block on Ctrl-C or SIGTERM, and says so once everything in it is closed.

    To be stopped is how serving ends: the command's exit status is 0, and make reports no error.
    """

    def __init__(self, what: str, settings: Settings, *, is_quiet: bool = False) -> None:
        """Prepares the words.

        Args:
            what: the word for what is served.
            settings: name the database that it starts with.
            is_quiet: whether somebody else does the talking.

        Raises:
            SetupError: the database's URL is malformed.
        """
        self._what = what
        self._begun = f"{what} starts with {describe(settings)}. Ctrl-C stops it."
        self._is_quiet = is_quiet
        self._was_asked = False
        self._before: dict[signal.Signals, Any] = {}
        self._unraisable_before = sys.unraisablehook

    def __enter__(self) -> None:
        """Says that it starts, and from then on may be stopped."""
        self._before = {each: signal.signal(each, self._stop) for each in _STOPS}
        self._unraisable_before, sys.unraisablehook = sys.unraisablehook, self._unraisable
        try:
            self._say(self._begun)
        except KeyboardInterrupt:
            self._end()
            raise SystemExit(0) from None

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> bool:
        """Swallows whatever became of a stop.

        Interrupted in the middle of something, a library may have made another error of it.
        """
        self._end()
        return self._was_asked

    def _end(self) -> None:
        sys.unraisablehook = self._unraisable_before
        if signal.SIGALRM in self._before:
            signal.setitimer(signal.ITIMER_REAL, 0)
        for each, handler in self._before.items():
            signal.signal(each, handler)
        if self._was_asked:
            self._say(f"{self._what} stopped.")

    def _say(self, words: str) -> None:
        if not self._is_quiet:
            click.echo(words, err=True)

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        """Once: a supervisor that asks again must not interrupt what is being closed."""
        self._was_asked = True
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        # A connection that was interrupted cannot be closed in order, which is no news to anybody.
        logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)
        raise KeyboardInterrupt

    def _unraisable(self, unraisable: sys.UnraisableHookArgs) -> None:
        """Asks once more when Python could not pass the stop on, as while something is collected.

        Without this the signal would be lost, and what is served would go on for ever.
        """
        if not (self._was_asked and unraisable.exc_type is KeyboardInterrupt):
            self._unraisable_before(unraisable)
            return
        before = signal.signal(signal.SIGALRM, self._again)
        self._before.setdefault(signal.SIGALRM, before)
        signal.setitimer(signal.ITIMER_REAL, _AGAIN_S)

    def _again(self, _number: int, _frame: FrameType | None) -> None:
        """Whoever handles Ctrl-C by now: a server that takes requests ends those first."""
        signal.raise_signal(signal.SIGINT)
