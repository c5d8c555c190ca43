"""`saveguard logs`: the log lines of one request, or the newest ones."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

import click

from engine.attempts import line_words, pasted
from engine.attempts.pasted import Kind
from engine.attempts.words import printable
from engine.cli.options import ANY_TEXT, data_dir_option, json_option, settings_of
from engine.clock import Clock, SystemClock
from engine.log_search import Follower, Found, Logged, naming, newest
from engine.runtime import log_directory

# A second or two on a machine of today.
_BYTES_MAX: Final = 1024 * 1024 * 1024
_LINES_MAX: Final = 1000
_NEWEST: Final = 20
_POLL_S: Final = 0.5
_MEGABYTE: Final = 1_000_000
_IDS: Final = frozenset({Kind.CORRELATION_ID, Kind.ATTEMPT_ID, Kind.QUOTE_ID})


@click.command("logs")
@click.argument("text", type=ANY_TEXT, required=False)
@click.option("--follow", is_flag=True, help="Go on with what is written from now on.")
@click.option(
    "--lines",
    "count",
    type=click.IntRange(1, _LINES_MAX),
    help=f"How many lines at most; {_NEWEST} of the newest, {_LINES_MAX} of TEXT.",
)
@data_dir_option
@json_option
def logs(
    text: str | None, count: int | None, data_dir: Path | None, *, follow: bool, as_json: bool
) -> None:
    """Finds log lines on this host.

    With TEXT, the lines of the correlation ids and attempt ids in it; without, the newest. They are
    read from the files under the data directory, so the database need not be there. Exits 1 when
    there is nothing.
    """
    directory, clock = log_directory(settings_of(data_dir=data_dir)), SystemClock()
    if follow and text is not None:
        raise click.UsageError("--follow shows every line; leave TEXT away")
    if text is not None and not text.strip():
        raise click.UsageError("TEXT is empty; leave it away for the newest lines")
    follower = Follower(directory) if follow else None
    if text is None:
        found = newest(directory, count or _NEWEST)
        nothing = f"There is no log line under {directory}."
    else:
        ids = _ids(text, clock)
        found = naming(directory, ids, bytes_max=_BYTES_MAX, lines_max=count or _LINES_MAX)
        nothing = _nothing(directory, text, found)
    _show(found.lines, as_json=as_json)
    if not found.lines:
        click.echo(nothing, err=True)
    elif found.is_cut:
        click.echo(f"There may be more: {_looked(found)}, the newest.", err=True)
    if follower is not None:
        with suppress(KeyboardInterrupt):  # how following ends
            _follow(follower, clock, as_json=as_json)
        sys.exit(0)
    sys.exit(0 if found.lines else 1)


def _ids(text: str, clock: Clock) -> list[str]:
    """What to look for: the ids that the text surely has in it, and the text itself."""
    read = pasted.read(text, clock.now())
    clues = [each.value for each in read.clues if each.kind in _IDS and not each.is_start]
    return list(dict.fromkeys([text.strip(), *clues]))


def _show(lines: Iterable[Logged], *, as_json: bool) -> None:
    for line in lines:
        if as_json:
            click.echo(line_words.as_json(line.raw))
            continue
        fields = line.fields
        words = [line_words.when(line.at), line_words.event(fields)]
        if fields.get("correlation_id") is not None:
            words.append(printable(str(fields["correlation_id"])))
        click.echo("  ".join([*words, line_words.told(fields)]).rstrip())


def _follow(follower: Follower, clock: Clock, *, as_json: bool) -> None:
    while True:
        _show(follower.poll(), as_json=as_json)
        clock.sleep(_POLL_S)


def _nothing(directory: Path, text: str, found: Found) -> str:
    if not found.files:
        return f"There is no log file under {directory}."
    named = printable(text.strip()[:80])
    return f"No log line on this host names “{named}”: {_looked(found)} under {directory}."


def _looked(found: Found) -> str:
    files = f"{found.files} file" + ("" if found.files == 1 else "s")
    return f"{files}, {found.bytes_read / _MEGABYTE:,.1f} MB were looked through"
