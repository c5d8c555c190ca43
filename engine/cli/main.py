"""The commands of the engine; the dashboard adds its own (`dashboard.__main__`)."""

from __future__ import annotations

import signal
import sys

import click

from engine.cli.agents import agent_group
from engine.cli.keys import key_group
from engine.cli.ledger import attempts, verify_command
from engine.cli.migrating import migrate_group
from engine.cli.people import client_group, user_group
from engine.cli.replay import replay
from engine.cli.serving import api, worker
from engine.errors import SetupError

_CANNOT_START = 2


@click.group()
@click.version_option(package_name="saveguard")
def cli() -> None:
    """Guards the moment a travel quote is saved."""


for command in (
    agent_group,
    api,
    attempts,
    client_group,
    key_group,
    migrate_group,
    replay,
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
        click.echo(f"saveguard: {error}", err=True)
        sys.exit(_CANNOT_START)
