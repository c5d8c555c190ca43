"""`saveguard export`: the attempts of a selection as CSV."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import IO, Any, Final

import click
import psycopg

from engine.attempts.outcome import Path as SavePath
from engine.cli.options import data_dir_option, output_option, ready_database
from engine.cli.progress import bar
from engine.clock import Clock
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
@output_option
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
        bar("attempts", partial(_expected, connection, selection, clock)) as progress,
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


def _expected(
    connection: psycopg.Connection[Any], selection: Selection, clock: Clock
) -> int | None:
    """How many rows there will be; without it the bar only moves, and the rows are there."""
    with suppress(psycopg.Error):
        return receipt.rolled(connection, selection, clock.now())
    return None
