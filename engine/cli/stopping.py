"""Serving from the first word to the last: what is started, and that it was stopped."""

from __future__ import annotations

import logging
import signal
from types import FrameType, TracebackType
from typing import Any, Final

import click

from engine.database.target import describe
from engine.settings import Settings

_STOPS: Final = (signal.SIGINT, signal.SIGTERM)


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

    def __enter__(self) -> None:
        """Says that it starts, and from then on may be stopped."""
        self._before = {each: signal.signal(each, self._stop) for each in _STOPS}
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
