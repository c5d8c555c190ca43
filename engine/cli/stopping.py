"""Serving from the first word to the last: what is started, and that it was stopped."""

from __future__ import annotations

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
    before = {each: signal.signal(each, _stop) for each in _STOPS}
    try:
        if not is_quiet:
            click.echo(begun, err=True)
        yield
    except KeyboardInterrupt:
        if not is_quiet:
            click.echo(f"{what} stopped.", err=True)
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _stop(_number: int, _frame: FrameType | None) -> Never:
    """Once: a supervisor that asks again must not interrupt what is being closed."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt
