"""`saveguard alerts ack`: somebody has an alert in hand."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import click

from engine.alerting.acknowledging import Disposition, acknowledge
from engine.cli.acting import at_terminal, unless_refusal
from engine.cli.options import ANY_TEXT, data_dir_option, ready_database
from engine.database.sessions import session_of


@click.command("ack")
@click.argument("alert_id", metavar="ALERT", type=click.UUID)
@click.option(
    "--as",
    "disposition",
    type=click.Choice([each.value for each in Disposition]),
    help="What it turned out to be; may be said later.",
)
@click.option("--remark", type=ANY_TEXT, default="", help="Why, or what was done.")
@data_dir_option
def ack_command(
    alert_id: UUID, disposition: str | None, remark: str, data_dir: Path | None
) -> None:
    """Takes an alert in hand: it is not repeated any more."""
    said = None if disposition is None else Disposition(disposition)
    with ready_database(data_dir) as (_settings, target, clock), session_of(target) as session:
        done = acknowledge(
            session, clock, at_terminal(clock), alert_id, disposition=said, remark=remark
        )
        unless_refusal(session, done)
    click.echo(f"alert {alert_id} is in hand")
