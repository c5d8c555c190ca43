"""`saveguard attempts` and `saveguard verify`: what happened, and whether it all adds up."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC
from pathlib import Path
from typing import Any, Final

import click
import psycopg
from psycopg.rows import dict_row
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from engine.alerting import evaluations, tested
from engine.alerting.evaluations import Evaluation
from engine.alerting.tested import Tested
from engine.attempts import story
from engine.attempts.lookup import AttemptKey, Certainty, Found, Hit, find
from engine.attempts.story import Story
from engine.attempts.words import NOT_STORED, instant, sentence
from engine.cli.options import ANY_TEXT, data_dir_option, json_option, ready_database
from engine.database.target import describe
from engine.integrity.report import as_json as results_as_json
from engine.integrity.report import report_lines
from engine.integrity.rules import Rule, is_clean
from engine.integrity.verification import verify

_LABEL_WIDTH: Final = 17
_WHEN_WIDTH: Final = 29
# Of each thing that may be meant; who wants more asks for it by its id.
_TOLD_OF_A_GUESS: Final = 3
_GUESSES_TOLD: Final = 10
_FETCH: Final = """
    SELECT row.*
    FROM unnest(%(agents)s::uuid[], %(starts)s::timestamptz[], %(ids)s::uuid[])
        AS key (agent_id, started_at, id)
    CROSS JOIN LATERAL (
        SELECT *
        FROM ledger AS l
        WHERE l.agent_id = key.agent_id AND l.started_at = key.started_at AND l.id = key.id
        LIMIT 1
    ) AS row
    ORDER BY row.started_at, row.id
"""

Row = dict[str, Any]


@click.command("attempts")
@click.argument("text", type=ANY_TEXT)
@data_dir_option
@json_option
def attempts(text: str, data_dir: Path | None, *, as_json: bool) -> None:
    """Says what became of the attempts that TEXT means.

    TEXT is an id or anything with one in it: a log line, an address, half of an id, a mistyped one.
    Each attempt is told in a sentence, then in facts and steps; where nothing is there just so,
    what may have been meant, and why. Evaluations of alert rules, and tests of channels, that carry
    the id are told, too. Exits 1 when there is nothing.
    """
    with (
        ready_database(data_dir) as (_, target, clock),
        psycopg.connect(target.app, autocommit=True, row_factory=dict_row) as connection,
    ):
        found = find(connection, text, clock.now())
        now = clock.now()
        of_alerting: list[Evaluation | Tested] = [
            *evaluations.find(connection, text, now),
            *tested.find(connection, text, now),
        ]
        rows = _rows_of(connection, found.hits)
        sure = [hit for hit in found.hits if hit.certainty is Certainty.EXACT]
        # A log line names the request, and the quote and the agent besides.
        meant = [hit for hit in sure if hit.kind is sure[0].kind]
        keys = {key for hit in meant for key in hit.attempts}
        told = (
            []
            if as_json
            else [story.tell(connection, row) for key, row in rows.items() if key in keys]
        )
    if as_json:
        # What is meant for sure leaves no room for guesses.
        hits = meant if meant or of_alerting else found.hits
        click.echo(json.dumps([*_as_json(hits, rows), *map(_of_alerting, of_alerting)]))
    elif meant or of_alerting:
        said = [each.sentence for each in of_alerting]
        click.echo("\n\n".join([*_stories(meant, told), *said, *_also(sure[len(meant) :])]))
    elif found.hits:
        click.echo("\n\n".join(["Nothing is there just so. It may mean:", *_guesses(found, rows)]))
    else:
        click.echo(found.ignored, err=True)
    if found.unread and found.hits:
        click.echo(f"The last {found.unread:,} characters were not looked at.", err=True)
    for each in set(found.absent) - {each.correlation_id for each in of_alerting}:
        click.echo(f"Nothing in the database has {each}.", err=True)
    sys.exit(0 if found.hits or of_alerting else 1)


def _of_alerting(found: Evaluation | Tested) -> Row:
    """An evaluation, or a test of a channel, with JSON's own types."""
    return _plain(asdict(found)) | {
        "taken_for": "evaluation" if isinstance(found, Evaluation) else "channel test",
        "certainty": Certainty.EXACT.name.lower(),
        "reason": found.sentence,
    }


def _rows_of(connection: psycopg.Connection[Row], hits: Sequence[Hit]) -> dict[AttemptKey, Row]:
    """The rows of the view `ledger`, oldest first."""
    keys = list(dict.fromkeys(key for hit in hits for key in hit.attempts))
    values = {
        "agents": [key.agent_id for key in keys],
        "starts": [key.started_at for key in keys],
        "ids": [key.id for key in keys],
    }
    rows = connection.execute(_FETCH, values).fetchall()
    return {AttemptKey(row["agent_id"], row["started_at"], row["id"]): row for row in rows}


def _stories(hits: Sequence[Hit], told: Sequence[Story]) -> Iterator[str]:
    """Each attempt once, oldest first; then what has none that is still in the ledger."""
    yield from map(_told, told)
    for hit in hits:
        if not hit.attempts:
            yield f"{_name(hit)} has no attempt in the ledger."


def _also(hits: Sequence[Hit]) -> Iterator[str]:
    if hits:
        yield "Named besides: " + ", ".join(map(_name, hits))


def _guesses(found: Found, rows: Mapping[AttemptKey, Row]) -> Iterator[str]:
    for hit in found.hits[:_GUESSES_TOLD]:
        whose = "" if hit.agent_id is None else f" of agent {hit.agent_id}"
        lines = [f"{_name(hit)}{whose} ({hit.reason})"]
        told = [rows[key] for key in hit.attempts[:_TOLD_OF_A_GUESS] if key in rows]
        lines += [
            f"  {row['started_at'].astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
            f"  {row['correlation_id']}  {sentence(row)}"
            for row in told
        ]
        if len(hit.attempts) > len(told):
            lines.append(f"  and {len(hit.attempts) - len(told)} before")
        yield "\n".join(lines)
    if len(found.hits) > _GUESSES_TOLD:
        yield f"and {len(found.hits) - _GUESSES_TOLD} more"


def _name(hit: Hit) -> str:
    return f"{hit.kind.value} {hit.matched}"


def _as_json(hits: Sequence[Hit], rows: Mapping[AttemptKey, Row]) -> list[Row]:
    """The rows of the surest hits, each with why it is one of them."""
    because: dict[AttemptKey, Hit] = {}
    for hit in hits:
        for key in hit.attempts:
            because.setdefault(key, hit)
    return [
        _plain(row)
        | {
            "taken_for": because[key].kind.value,
            "certainty": because[key].certainty.name.lower(),
            "reason": because[key].reason,
        }
        for key, row in rows.items()
        if key in because
    ]


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


def _told(told: Story) -> str:
    lines = [f"  {label:<{_LABEL_WIDTH}}{text}" for label, text in told.facts()]
    for at, what, detail in told.steps:
        lines.append(
            f"  {NOT_STORED if at is None else instant(at):<{_WHEN_WIDTH}}{what}: {detail}"
        )
    return "\n".join([told.sentence, *lines])


def _plain(row: Row) -> Row:
    """The row with JSON's own types."""
    plain: Row = {}
    for name, value in row.items():
        if isinstance(value, bytes | memoryview):
            plain[name] = bytes(value).hex()
        elif value is None or isinstance(value, int | str | bool | list):
            plain[name] = value
        else:
            plain[name] = value.isoformat() if hasattr(value, "isoformat") else str(value)
    return plain
