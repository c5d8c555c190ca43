"""`saveguard replay`: real bookings through the save, and whether it all adds up."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import click
from rich.console import Console

from engine.attempts.outcome import Source
from engine.cli.listening import url_of
from engine.cli.options import data_dir_option, json_option, keep_logs, settings_of
from engine.clock import Clock, SystemClock
from engine.database.target import Target
from engine.logs import report
from engine.replay.bookings import read_bookings
from engine.replay.http_sender import must_answer
from engine.replay.line import Address
from engine.replay.printout import as_text
from engine.replay.replay import Plan
from engine.replay.replay import replay as replay_bookings
from engine.replay.report import as_json as report_as_json
from engine.replay.screen import terminal_screen
from engine.replay.ways import Way, engine_way, http_way
from engine.replay.workers import Ending
from engine.runtime import open_database, open_runtime
from engine.settings import Settings

_NOT_CLEAN: Final = 1
_INTERRUPTED: Final = 130
_WORKERS: Final = 8
_WORKERS_MAX: Final = 50  # a pool has no more connections


@click.command("replay")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--limit", type=click.IntRange(1), help="Only the first N bookings of the file.")
@click.option(
    "--speed",
    type=click.FloatRange(0, min_open=True),
    help="Days of booking time that pass in a second; as fast as it goes unless given.",
)
@click.option(
    "--workers",
    type=click.IntRange(1, _WORKERS_MAX),
    default=_WORKERS,
    show_default=True,
    help="Attempts at once.",
)
@click.option(
    "--via",
    type=click.Choice(["engine", "http"]),
    default="engine",
    show_default=True,
    help="Into the engine of this process, or to a running server.",
)
@click.option(
    "--url",
    help="The server, for --via http.",
    show_default="at SAVEGUARD_HOST and SAVEGUARD_PORT",
)
@click.option(
    "--source",
    type=click.Choice(["live", "load"]),
    default="live",
    show_default=True,
    help="What the ledger calls it, for --via engine; over HTTP it is live.",
)
@data_dir_option
@json_option
def replay(
    file: Path,
    limit: int | None,
    speed: float | None,
    workers: int,
    via: str,
    url: str | None,
    source: str,
    data_dir: Path | None,
    *,
    as_json: bool,
) -> None:
    """Sends the hotel bookings of FILE.

    Agencies quote, change, send and close them: every row becomes a quote, from its creation to its
    end, on the bookings' own clock; dirty rows are sent as they are. Exits 1 when the attempts sent
    are not what the ledger holds, when an integrity rule is broken, or when either is not known;
    130 when interrupted.
    """
    bookings = read_bookings(file, limit)
    clock = SystemClock()
    settings = settings_of(data_dir=data_dir, pool_size=workers)
    address = None
    if via == "http":
        address = Address(url or url_of(settings.host, settings.port))
        must_answer(address)
    keep_logs(settings)
    target = open_database(settings, clock)
    with ExitStack() as stack:
        way = (
            _into_engine(stack, settings, target, clock, Source[source.upper()])
            if address is None
            else http_way(address)
        )
        screen = stack.enter_context(terminal_screen(clock))
        plan = Plan(bookings=bookings, workers=workers, days_per_second=speed)
        done = replay_bookings(plan, way, target, clock, screen)
    if as_json:
        click.echo(report_as_json(done))
    else:
        console = Console()
        click.echo(as_text(done, width=console.width if console.is_terminal else None))
    if done.ending == Ending.INTERRUPTED.value:
        sys.exit(_INTERRUPTED)
    sys.exit(0 if done.is_clean and done.ending == Ending.COMPLETE.value else _NOT_CLEAN)


def _into_engine(
    stack: ExitStack, settings: Settings, target: Target, clock: Clock, source: Source
) -> Way:
    opened = open_runtime(settings, target, clock=clock, report=report)
    return engine_way(stack.enter_context(opened), source)
