"""`saveguard alerts …`: what fires, by which rules, whom it tells, and who wants not to be told."""

from __future__ import annotations

import click

from engine.cli.alerts_acknowledging import ack_command
from engine.cli.alerts_rules import rules_group
from engine.cli.alerts_silencing import silence_group
from engine.cli.alerts_status import status_command
from engine.cli.alerts_test import test_command


@click.group("alerts")
def alerts_group() -> None:
    """Alerts, their rules, and the channels that they are sent to."""


for command in (ack_command, rules_group, silence_group, status_command, test_command):
    alerts_group.add_command(command)
