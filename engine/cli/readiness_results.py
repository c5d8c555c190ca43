"""`saveguard readiness import`: what a run of the tests says of the boxes about tests."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from engine.cli.acting import at_terminal, unless_refusal
from engine.cli.facts import one_line
from engine.cli.options import NAME, data_dir_option, ready_database
from engine.cli.readiness_release import readiness_of, release_option
from engine.database.sessions import session_of
from engine.errors import SetupError
from engine.readiness.assessment import Verdict
from engine.readiness.junit import BYTES_MAX
from engine.readiness.results import import_results


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@release_option
@click.option("--commit", type=NAME, required=True, help="That the tests were run on.")
@data_dir_option
def import_command(
    file: Path, name: str, environment: str | None, commit: str, data_dir: Path | None
) -> None:
    """Takes test results: JUnit XML.

    Written by: python -m tests --junitxml=FILE. Exits 1 when a box is found failing.
    """
    xml = _read(file)
    with (
        ready_database(data_dir) as (settings, target, clock),
        session_of(target) as session,
    ):
        release = readiness_of(session, settings, clock, name, environment).release
        found = unless_refusal(
            session,
            import_results(session, clock, settings, at_terminal(clock), release, xml, commit),
        )
    for item_id, each in found.items():
        click.echo(f"{item_id:<10} {each.verdict.value:<18} {one_line(each.reason)}")
    sys.exit(int(any(each.verdict is Verdict.FAILING for each in found.values())))


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(BYTES_MAX + 1)
    except OSError as error:
        raise SetupError(f"{path} cannot be read: {type(error).__name__}") from None
