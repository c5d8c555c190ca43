"""`saveguard alerts …`: alerts and what they are sent by, from a terminal."""

from __future__ import annotations

import click

from engine.cli.alerts_test import test_command


@click.group("alerts")
def alerts_group() -> None:
    """Alerts, their rules, and the channels that they are sent to."""


for command in (test_command,):
    alerts_group.add_command(command)
