"""`saveguard export`: the attempts of a selection as CSV."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Final

import click
import psycopg
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from engine.attempts.outcome import Path as SavePath
from engine.cli.options import data_dir_option, ready_database
from engine.errors import ErrorCode, SetupError
from engine.quotes.lifecycle import Operation
from engine.rollups import receipt
from engine.rollups.counts import Traffic
from engine.rollups.export import export
from engine.rollups.grid import Window
from engine.rollups.selection import Filter, Selection
from engine.slo.objectives import PARTS

_ANY: Final = "any"


class InstantParameter(click.ParamType[datetime]):
    """An instant in ISO 8601; one without a zone is in UTC."""

    name = "instant"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """The instant, in UTC."""
        try:
            found = datetime.fromisoformat(value)
            return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
        except (ValueError, OverflowError):
            self.fail("must be an instant like 2026-11-25T21:00:00Z", param, ctx)


_INSTANT: Final = InstantParameter()


@click.command("export")
@click.option("--from", "start", type=_INSTANT, required=True, help="The first instant.")
@click.option("--until", "end", type=_INSTANT, required=True, help="The instant after the last.")
@click.option("--part", type=click.Choice(list(PARTS)), default="all", help="What is counted.")
@click.option("--operation", type=click.Choice([each.name for each in Operation]))
@click.option("--code", type=click.Choice([each.value for each in ErrorCode]))
@click.option(
    "--traffic",
    type=click.Choice([_ANY, *(each.name.lower() for each in Traffic)]),
    default=Traffic.LIVE.name.lower(),
    show_default=True,
)
@click.option("--path", type=click.Choice([each.name.lower() for each in SavePath]))
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file to write; standard output unless given.",
)
@data_dir_option
def export_command(
    start: datetime,
    end: datetime,
    part: str,
    operation: str | None,
    code: str | None,
    traffic: str,
    path: str | None,
    output: Path | None,
    data_dir: Path | None,
) -> None:
    """Writes attempts as CSV, newest first.

    All that started in the window; exits 1 when there are none.
    """
    if not start < end:
        raise click.UsageError("--until must be after --from")
    selection = Selection(
        window=Window(start, end),
        wanted=Filter(
            operation=None if operation is None else Operation[operation],
            traffic=None if traffic == _ANY else Traffic[traffic.upper()],
            path=None if path is None else SavePath[path.upper()],
        ),
        part=PARTS[part],
        code=None if code is None else ErrorCode(code),
    )
    with (
        ready_database(data_dir) as (_, target, clock),
        psycopg.connect(target.app, autocommit=True) as connection,
        _opened(output) as out,
        _progress(lambda: receipt.rolled(connection, selection, clock.now())) as progress,
    ):
        written = export(connection, selection, out, progress=progress)
    click.echo(f"{written:,} attempts written", err=True)
    sys.exit(0 if written else 1)


@contextmanager
def _opened(output: Path | None) -> Iterator[IO[str]]:
    """The file, or standard output; an error of either is one line."""
    try:
        if output is None:
            sys.stdout.reconfigure(newline="")  # type: ignore[union-attr]  # a text stream
            yield sys.stdout
            sys.stdout.flush()
        else:
            # Half a file must not look like all of it.
            part = output.with_name(f"{output.name}.part")
            try:
                with part.open("w", encoding="utf-8", newline="") as opened:
                    yield opened
                part.replace(output)
            finally:
                part.unlink(missing_ok=True)
    except OSError as error:
        raise SetupError(f"the attempts cannot be written: {error.strerror}") from None


@contextmanager
def _progress(total: Callable[[], int | None]) -> Iterator[Callable[[int], None]]:
    """A bar on standard error while a person is watching."""
    console = Console(stderr=True)
    expected = None
    if console.is_terminal:
        # Without it the bar only moves; the rows are there all the same.
        with suppress(psycopg.Error):
            expected = total()
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as bars:
        task = bars.add_task("attempts", total=expected)
        yield lambda written: bars.update(task, completed=written)
