"""`saveguard rollup` and `saveguard retention`: how the numbers are kept, and for how long."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, LiteralString, NamedTuple

import click
import psycopg
from psycopg import errors
from rich.console import Console
from rich.table import Table

from engine.attempts.partitions import STRAYS_COUNTED, strays
from engine.cli.options import data_dir_option, json_option, ready_database
from engine.cli.progress import bar
from engine.database.pool import APPLICATION
from engine.database.target import explain
from engine.errors import SetupError
from engine.rollups.grid import EPOCH
from engine.rollups.restored import RestoredError, move_numbers
from engine.rollups.retention import Day, Dropped, days_kept, drop_due
from engine.rollups.roller import is_restored, read_state, rebuild
from engine.rollups.series import looking
from engine.slo.objectives import LIMITS

_MIB: Final = 1024 * 1024
_OTHERS: Final = """
    SELECT count(*)
    FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = %s AND pid <> pg_backend_pid()
"""


class Standing(NamedTuple):
    """How the rollups stand to the ledger.

    Attributes:
        feed: how new attempts are found.
        rolled: attempts that the rollups hold.
        tail: attempts that they do not hold yet.
        dropped: attempts that retention has dropped.
        kept: attempts in the ledger; None unless they were counted.
        uncounted: days that retention has detached, but neither counted nor dropped yet.
        in_default: attempts in the default partition, for want of one of their day.
        runs: of the roller.
        rolled_at: when it ran last.
    """

    feed: str
    rolled: int
    tail: int
    dropped: int
    kept: int | None
    uncounted: int
    in_default: int
    runs: int
    rolled_at: str | None

    @property
    def adds_up(self) -> bool | None:
        """Whether rolled and tail are what was dropped and is kept; None if it is not known."""
        if self.kept is None or self.uncounted:
            return None
        return self.rolled + self.tail == self.dropped + self.kept


@click.group("rollup")
def rollup_group() -> None:
    """The counters that the numbers are read from."""


@rollup_group.command("status")
@click.option("--check", is_flag=True, help="Count the ledger's rows, too: does it add up?")
@data_dir_option
@json_option
def status(data_dir: Path | None, *, check: bool, as_json: bool) -> None:
    """Shows how far the rollups are.

    With --check, exits 1 when rollups and ledger do not add up.
    """
    with (
        ready_database(data_dir) as (_, target, _clock),
        _connected(target.app) as connection,
    ):
        standing = _standing(connection, is_counted=check)
    if as_json:
        click.echo(json.dumps(standing._asdict() | {"adds_up": standing.adds_up}))
    else:
        click.echo("\n".join(_told(standing)))
    if standing.adds_up is False:
        raise SystemExit(1)


@rollup_group.command("rebuild")
@click.option(
    "--feed",
    type=click.Choice(["snapshot", "queue"]),
    help="How new attempts are found from now on; no other process may run meanwhile.",
)
@data_dir_option
def rebuild_command(feed: str | None, data_dir: Path | None) -> None:
    """Counts everything that the ledger still holds anew.

    Needed after a restored dump and after a change of the latency objectives. Pages go on showing
    the old numbers until it is done. The rollups of days that retention has dropped stay.
    """
    with (
        ready_database(data_dir) as (_, target, clock),
        _connected(target.app) as connection,
    ):
        _take_over(connection, target.owner)
        if feed is not None and feed != read_state(connection, may_be_stale=True).feed:
            _refuse_others(connection)
        with bar("days") as progress:
            counted = rebuild(connection, clock, LIMITS, feed=feed, progress=progress)
    if counted is None:
        raise SetupError("the roller is at work; try again in a moment")
    click.echo(f"{counted:,} attempts counted")


@click.command("retention")
@click.option("--apply", "is_applied", is_flag=True, help="Drop what is due.")
@data_dir_option
@json_option
def retention(data_dir: Path | None, *, is_applied: bool, as_json: bool) -> None:
    """Shows the ledger's days, and which of them are due to be dropped.

    A worker drops them by itself, within the hour; SAVEGUARD_RETENTION_DAYS says how many are kept.
    """
    with (
        ready_database(data_dir) as (settings, target, clock),
        _connected(target.owner) as connection,
    ):
        keep = timedelta(days=settings.retention_days)
        dropped = drop_due(connection, clock.now(), keep) if is_applied else []
        days = days_kept(connection, clock.now(), keep)
        in_default = strays(connection)
    if as_json:
        facts = {
            "kept_days": keep.days,
            "in_default": in_default,
            "kept": [_plain(each) for each in days],
            "dropped": [_plain(each) for each in dropped],
        }
        click.echo(json.dumps(facts))
        return
    for each in dropped:
        click.echo(f"dropped {each.name}: {each.rows:,} attempts")
    Console().print(_table(days, keep.days))
    if in_default:
        click.echo(_strayed(in_default))


def _standing(connection: psycopg.Connection[Any], *, is_counted: bool) -> Standing:
    with looking(connection) as look:
        tail = sum(cell.attempts for cell in look.tail(EPOCH))
        dropped = _number(connection, "SELECT coalesce(sum(rows), 0) FROM dropped_partition")
        uncounted = _number(
            connection, "SELECT count(*) FROM dropped_partition WHERE dropped_at IS NULL"
        )
        kept = _number(connection, "SELECT count(*) FROM attempt") if is_counted else None
        in_default = strays(connection)
        state = look.state
    return Standing(
        feed=state.feed,
        rolled=state.rolled,
        tail=tail,
        dropped=dropped,
        kept=kept,
        uncounted=uncounted,
        in_default=in_default,
        runs=state.runs,
        rolled_at=None if state.rolled_at is None else state.rolled_at.isoformat(),
    )


def _told(standing: Standing) -> Iterator[str]:
    yield f"last run: {standing.rolled_at or 'never'}, {standing.runs:,} in all"
    yield f"{standing.rolled:,} attempts rolled up, found by {standing.feed}"
    yield f"{standing.tail:,} attempts read from the ledger itself until the next run"
    yield f"{standing.dropped:,} attempts dropped by retention"
    if standing.in_default:
        yield _strayed(standing.in_default)
    if standing.uncounted:
        yield "a day is detached and not yet counted: saveguard retention --apply finishes it"
    if standing.kept is not None:
        yield f"{standing.kept:,} attempts in the ledger: {_VERDICTS[standing.adds_up]}"


_VERDICTS: Final = {
    True: "it adds up",
    False: "IT DOES NOT ADD UP",
    None: "whether it adds up is not known",
}


def _strayed(count: int) -> str:
    more = " or more" if count >= STRAYS_COUNTED else ""
    return (
        f"{count:,} attempts{more} lie in the default partition: their days had none of their own"
    )


def _table(days: Sequence[Day], kept_days: int) -> Table:
    table = Table(
        "partition",
        "attempts, about",
        "MiB",
        "kept",
        title=f"{kept_days} days are kept",
        title_justify="left",
    )
    for day in days:
        table.add_row(
            day.name,
            "unknown" if day.rows is None else f"{day.rows:,}",
            f"{day.size / _MIB:,.1f}",
            "due: saveguard retention --apply" if day.is_due else "yes",
        )
    return table


def _take_over(connection: psycopg.Connection[Any], owner: str) -> None:
    """Makes a ledger that was restored into another server this one's."""
    if not is_restored(connection):
        return
    with _connected(owner) as as_owner:
        move_numbers(as_owner)
    click.echo("the ledger was restored from another server; its numbering goes on from there")


@contextmanager
def _connected(conninfo: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection in autocommit whose every error is one line that an operator can act on."""
    try:
        with psycopg.connect(conninfo, autocommit=True) as connection:
            yield connection
    except RestoredError as error:
        raise SetupError(str(error)) from None
    except errors.LockNotAvailable:
        raise SetupError("other work has locked the ledger; try again in a moment") from None
    except errors.InsufficientPrivilege as error:
        raise SetupError(
            f"the role may not do this ({error.diag.message_primary}): set"
            " SAVEGUARD_OWNER_DATABASE_URL to the role that owns the tables"
        ) from None
    except psycopg.Error as error:
        raise SetupError(explain(error, conninfo)) from error


def _refuse_others(connection: psycopg.Connection[Any]) -> None:
    """A process learns at its start how attempts are found."""
    if _number(connection, _OTHERS, [APPLICATION]):
        raise SetupError("other processes of Saveguard use this database; stop them first")


def _number(
    connection: psycopg.Connection[Any], query: LiteralString, values: Sequence[object] = ()
) -> int:
    row = connection.execute(query, values).fetchone()
    return 0 if row is None else int(row[0])


def _plain(each: Day | Dropped) -> dict[str, object]:
    """With JSON's own types."""
    day = None if each.day is None else each.day.isoformat()
    return each._asdict() | {"day": day}
