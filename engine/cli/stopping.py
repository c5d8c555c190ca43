"""Serving from the first word to the last: what is started, and that it was stopped."""

from __future__ import annotations

import logging
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final, Never

import click

from engine.database.target import describe
from engine.settings import Settings

_STOPS: Final = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def until_stopped(what: str, settings: Settings, *, is_quiet: bool = False) -> Iterator[None]:
    """Ends the block on Ctrl-C or SIGTERM, and says so once everything in it is closed.

    To be stopped is how serving ends: the command's exit status is 0, and make reports no error.

    Args:
        what: the word for what is served.
        settings: name the database that it starts with.
        is_quiet: whether somebody else does the talking.

    Raises:
        SetupError: the database's URL is malformed.
    """
    begun = f"{what} starts with {describe(settings)}. Ctrl-C stops it."
    stop = _Stop()
    before = {each: signal.signal(each, stop) for each in _STOPS}
    try:
        if not is_quiet:
            click.echo(begun, err=True)
        yield
    except BaseException:
        # Interrupted in the middle of something, a library may have made another error of it.
        if not stop.was_asked:
            raise
        if not is_quiet:
            click.echo(f"{what} stopped.", err=True)
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


class _Stop:
    """What a signal does."""

    was_asked = False

    def __call__(self, _number: int, _frame: FrameType | None) -> Never:
        """Once: a supervisor that asks again must not interrupt what is being closed."""
        self.was_asked = True
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        # A connection that was interrupted cannot be closed in order, which is no news to anybody.
        logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)
        raise KeyboardInterrupt
