"""`saveguard alerts …`: what is watched, what fires, and whom it tells."""

from __future__ import annotations

import click

from engine.cli.alerts_rules import rules_group
from engine.cli.alerts_test import test_command


@click.group("alerts")
def alerts_group() -> None:
    """Alerts, their rules, and the channels that they are sent to."""


for command in (rules_group, test_command):
    alerts_group.add_command(command)
