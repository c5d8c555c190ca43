"""`saveguard attempts` and `saveguard verify`: what happened, and whether it all adds up."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import click
import psycopg
from psycopg.rows import dict_row
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from engine.attempts.words import facts, sentence
from engine.cli.options import ANY_TEXT, data_dir_option, json_option, ready_database
from engine.database.target import describe
from engine.integrity.report import as_json as results_as_json
from engine.integrity.report import report_lines
from engine.integrity.rules import Rule, is_clean
from engine.integrity.verification import verify

_LABEL_WIDTH: Final = 17
_FIND: Final = """
    SELECT *
    FROM ledger
    WHERE correlation_id = %s
    ORDER BY started_at, id
"""


@click.command("attempts")
@click.argument("correlation_id", type=ANY_TEXT)
@data_dir_option
@json_option
def attempts(correlation_id: str, data_dir: Path | None, *, as_json: bool) -> None:
    """Says what became of CORRELATION_ID.

    Each attempt with it in a sentence, then in facts; exits 1 when there is none.
    """
    with (
        ready_database(data_dir) as (_, target, _clock),
        psycopg.connect(target.app, row_factory=dict_row) as connection,
    ):
        rows = connection.execute(_FIND, [correlation_id.strip()]).fetchall()
    if as_json:
        click.echo(json.dumps([_plain(row) for row in rows]))
    elif not rows:
        click.echo(f"no attempt has the correlation id {correlation_id}", err=True)
    else:
        click.echo("\n\n".join(_told(row) for row in rows))
    sys.exit(0 if rows else 1)


@click.command("verify")
@data_dir_option
@json_option
def verify_command(data_dir: Path | None, *, as_json: bool) -> None:
    """Checks the integrity of all data.

    Runs the integrity rules over the whole database; exits 1 with the offending rows.
    """
    with (
        ready_database(data_dir) as (settings, target, clock),
        psycopg.connect(target.app) as connection,
        psycopg.connect(target.app) as beside,  # half of the work runs there at the same time
        _progress(is_wanted=not as_json) as progress,
    ):
        if not as_json:
            click.echo(f"Checking {describe(settings)}.\n")
        results = verify(connection, clock, beside=beside, progress=progress)
    if as_json:
        click.echo(results_as_json(results))
    else:
        for line in report_lines(results):
            click.echo(line)
    sys.exit(0 if is_clean(results) else 1)


@contextmanager
def _progress(*, is_wanted: bool) -> Iterator[Callable[[Rule, int, int], None]]:
    """A bar on standard error while a person is watching."""
    console = Console(stderr=True)
    if not (is_wanted and console.is_terminal):
        yield lambda _rule, _done, _total: None
        return
    with Progress(
        TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(),
        console=console, transient=True,
    ) as bars:  # fmt: skip
        bar = bars.add_task("verify", total=None)
        yield lambda rule, done, total: bars.update(
            bar, description=f"{rule.id} {rule.statement}", completed=done, total=total or None
        )


def _told(row: dict[str, Any]) -> str:
    lines = [f"  {label:<{_LABEL_WIDTH}}{text}" for label, text in facts(row)]
    return "\n".join([sentence(row), *lines])


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """The row with JSON's own types."""
    plain: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, bytes | memoryview):
            plain[name] = bytes(value).hex()
        elif value is None or isinstance(value, int | str | bool | list):
            plain[name] = value
        else:
            plain[name] = value.isoformat() if hasattr(value, "isoformat") else str(value)
    return plain
