"""`saveguard alerts`: what fires, who is told, and who wants not to be."""

from __future__ import annotations

import click

from engine.cli.alerts_acknowledging import ack_command
from engine.cli.alerts_silencing import silence_group
from engine.cli.alerts_status import status_command


@click.group("alerts")
def alerts_group() -> None:
    """Alert rules, and whom they tell."""


for command in (ack_command, silence_group, status_command):
    alerts_group.add_command(command)
