"""The commands of the engine; the dashboard adds its own (`dashboard.__main__`)."""

from __future__ import annotations

import signal
import sys
from typing import NoReturn

import click
import psycopg
from psycopg_pool import PoolTimeout
from sqlalchemy.exc import DBAPIError

from engine.cli.agents import agent_group
from engine.cli.alerts import alerts_group
from engine.cli.export import export_command
from engine.cli.keys import key_group
from engine.cli.ledger import attempts, verify_command
from engine.cli.logs import logs
from engine.cli.migrating import migrate_group
from engine.cli.people import client_group
from engine.cli.readiness import readiness_group
from engine.cli.replay import replay
from engine.cli.rollups import retention, rollup_group
from engine.cli.serving import api, worker
from engine.cli.users import user_group
from engine.errors import SetupError

_CANNOT_START = 2


@click.group()
@click.version_option(package_name="saveguard")
def cli() -> None:
    """Guards the moment a travel quote is saved."""


for command in (
    agent_group,
    alerts_group,
    api,
    attempts,
    client_group,
    export_command,
    key_group,
    logs,
    migrate_group,
    readiness_group,
    replay,
    retention,
    rollup_group,
    user_group,
    verify_command,
    worker,
):
    cli.add_command(command)


def run(group: click.Group) -> None:
    """Runs a command; what an operator can mend is one line, not a traceback."""
    # Whoever serves hands a stop signal on; leaving through here closes what was opened.
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    try:
        group(prog_name="saveguard")
    except SetupError as error:
        _fail(str(error))
    except (psycopg.Error, PoolTimeout, DBAPIError) as error:
        cause = error.orig if isinstance(error, DBAPIError) else error
        # Its own words may quote a value.
        _fail(f"the database has failed ({type(cause).__name__}); nothing is known to be done")


def _fail(words: str) -> NoReturn:
    click.echo(f"saveguard: {words}", err=True)
    sys.exit(_CANNOT_START)
