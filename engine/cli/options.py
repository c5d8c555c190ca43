"""What the commands share: options, settings, and the database made ready."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from engine.clock import Clock, SystemClock
from engine.database.target import Target, require_existing
from engine.logs import configure_logs
from engine.quotes.shape import Rule, Unfit, is_email_address, text
from engine.runtime import PROCESS_LOG, log_file, open_database
from engine.settings import Settings, load_settings

F = TypeVar("F", bound=Callable[..., Any])

_PORT_MAX: Final = 65535


def data_dir_option(command: F) -> F:
    """Adds `--data-dir`."""
    return click.option(
        "--data-dir",
        type=click.Path(path_type=Path, file_okay=False),
        help="Where the embedded database and the journal live.",
    )(command)


def output_option(command: F) -> F:
    """Adds `--output`."""
    return click.option(
        "--output",
        type=click.Path(path_type=Path, dir_okay=False),
        help="The file to write; standard output unless given.",
    )(command)


def port_option(description: str) -> Callable[[F], F]:
    """Adds `--port`."""
    return click.option("--port", type=click.IntRange(1, _PORT_MAX), help=description)


def json_option(command: F) -> F:
    """Adds `--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON and nothing else.")(
        command
    )


def settings_of(**overrides: object) -> Settings:
    """The settings of this process: environment, then what the command line says.

    Raises:
        SetupError: something in them is not known.
    """
    return load_settings(os.environ, **overrides)


def keep_logs(settings: Settings) -> None:
    """Sets up logging for a command that serves or saves: to standard error, and to files."""
    clock = SystemClock()
    configure_logs(settings.log_format, log_file(settings, clock, PROCESS_LOG, clock.uuid7()))


class TextParameter(click.ParamType[str]):
    """A text that the database can hold: Unicode without NUL, of a bounded length."""

    name = "text"

    def __init__(self, rule: Rule) -> None:
        self._rule = rule

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The text as it is stored; a usage error says what is wrong with it."""
        try:
            cleaned: str = self._rule.clean(value)
        except Unfit as unfit:
            self.fail(unfit.message, param, ctx)
        return cleaned


class EmailParameter(TextParameter):
    """An e-mail address."""

    name = "e-mail address"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The address as it is stored; a usage error says that it is none."""
        written = super().convert(value, param, ctx)
        if not is_email_address(written):
            self.fail("must be an e-mail address", param, ctx)
        return written


ANY_TEXT: Final = TextParameter(text())
NAME: Final = TextParameter(text(minimum=1))
EMAIL: Final = EmailParameter(text(minimum=1))


@contextmanager
def ready_database(
    data_dir: Path | None, *, may_create: bool = False
) -> Iterator[tuple[Settings, Target, Clock]]:
    """Settings and a migrated database for one command.

    Args:
        data_dir: as on the command line.
        may_create: whether the embedded database is made when there is none. Who looks, or changes
            what is there, has come to the wrong place then.

    Raises:
        SetupError: it cannot be had.
    """
    settings, clock = settings_of(data_dir=data_dir), SystemClock()
    if not may_create:
        require_existing(settings)
    yield settings, open_database(settings, clock), clock
