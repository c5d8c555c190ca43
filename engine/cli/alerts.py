"""`saveguard alerts …`: what is watched, what fires, and whom it tells."""

from __future__ import annotations

import click

from engine.cli.alerts_rules import rules_group


@click.group("alerts")
def alerts_group() -> None:
    """What fires, and the rules that it fires by."""


for command in (rules_group,):
    alerts_group.add_command(command)
