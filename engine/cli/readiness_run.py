"""`saveguard readiness run`: looks at the boxes that a machine decides, and puts it down."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import click
from sqlmodel import Session

from engine.access.audit import Action, Actor, Subject, event
from engine.cli.acting import at_terminal
from engine.cli.facts import one_line
from engine.cli.options import NAME, data_dir_option, ready_database
from engine.cli.readiness_release import readiness_of, release_option
from engine.cli.readiness_state import count_lines
from engine.clock import Clock
from engine.database.sessions import session_of
from engine.errors import SetupError
from engine.readiness.assessment import Verdict
from engine.readiness.items import Item
from engine.readiness.knowledge import Release
from engine.readiness.probes.probe import Found
from engine.readiness.running import run, runnable
from engine.readiness.turn import CONNECTIONS, turn
from engine.replay.screen import terminal_screen
from engine.runtime import Runtime, open_runtime


@click.command("run")
@release_option
@click.option("--box", "boxes", type=NAME, multiple=True, help="Only this one; may be repeated.")
@data_dir_option
def run_command(
    name: str, environment: str | None, boxes: Sequence[str], data_dir: Path | None
) -> None:
    """Looks at boxes, and puts down what it finds.

    All that a machine can look at, unless --box names some; one look at a time, whoever looks.
    Evidence is of the system that it is taken from, and of the code that runs there:
    SAVEGUARD_ENVIRONMENT has to be the release's, and SAVEGUARD_RELEASE its name, its commit, or
    both with + or - between.
    Exits 1 when a box is found failing.
    """
    with ready_database(data_dir) as (settings, target, clock):
        with session_of(target) as session:
            release = readiness_of(session, settings, clock, name, environment).release
        if release.environment != settings.environment:
            raise SetupError(
                f"this system is {settings.environment}, the release goes to"
                f" {release.environment}: look at it there, with SAVEGUARD_ENVIRONMENT set"
            )
        items = _wanted(release, boxes)
        actor = at_terminal(clock)
        with session_of(target) as session:
            _trail(session, clock, actor, release, len(items))
        with (
            turn(target, clock, actor.correlation_id),
            open_runtime(settings, target, clock=clock, save_connections=CONNECTIONS) as runtime,
        ):
            found = _look(runtime, actor, release, items)
        with session_of(target) as session:
            readiness = readiness_of(session, settings, clock, name, environment)
    for item_id, each in found.items():
        if each.verdict is not Verdict.PASSING:
            click.echo(f"{item_id:<10} {each.verdict.value:<18} {one_line(each.reason)}")
    click.echo(f"{len(found)} boxes looked at; of all {len(readiness.standings)}:")
    click.echo("\n".join(count_lines(readiness.standings.values())))
    sys.exit(int(any(each.verdict is Verdict.FAILING for each in found.values())))


def _trail(session: Session, clock: Clock, actor: Actor, release: Release, boxes: int) -> None:
    subject = Subject("release", str(release.id))
    details = {"boxes": boxes}
    session.add(event(clock, actor, Action.PROBE_RUN, subject=subject, details=details))


def _look(
    runtime: Runtime, actor: Actor, release: Release, items: Sequence[Item]
) -> Mapping[str, Found]:
    with terminal_screen(runtime.clock) as screen:
        screen.begin("boxes", len(items))
        return run(
            runtime, actor, release, items, lambda _item, _found, done, _total: screen.show(done)
        )


def _wanted(release: Release, boxes: Sequence[str]) -> Sequence[Item]:
    able = {item.id: item for item in runnable(release)}
    for box in boxes:
        if box not in release.items:
            raise SetupError(f"there is no box {box}")
        if box not in able:
            kind = release.items[box].kind.value
            raise SetupError(f"{box} is {kind}, and nothing here can look at it")
    return [able[box] for box in boxes] if boxes else list(able.values())
