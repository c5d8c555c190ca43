"""`saveguard readiness …`: takes a release through its checklist, but for signing, from a terminal.

People sign, vouch and waive on the page, as themselves: a terminal is nobody in particular.
"""

from __future__ import annotations

import click

from engine.cli.readiness_aftermath import candidates_group, feedback_group
from engine.cli.readiness_records import key, verify_command
from engine.cli.readiness_release import deploy, release_group
from engine.cli.readiness_results import import_command
from engine.cli.readiness_roster import contacts_group, risks_group
from engine.cli.readiness_run import run_command
from engine.cli.readiness_state import export_command, gate, status


@click.group("readiness")
def readiness_group() -> None:
    """A release's way through its checklist.

    Signing, vouching for a box and waiving one are somebody's: do that on the page, signed in as
    yourself. Nothing here signs.
    """


for command in (
    candidates_group,
    contacts_group,
    deploy,
    export_command,
    feedback_group,
    gate,
    import_command,
    key,
    release_group,
    risks_group,
    run_command,
    status,
    verify_command,
):
    readiness_group.add_command(command)
