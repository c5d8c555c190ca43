"""`saveguard readiness status`, `gate` and `export`: how a release stands, in three forms."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import click

from engine.cli.facts import one_line
from engine.cli.options import NAME, data_dir_option, json_option, output_option, ready_database
from engine.cli.readiness_release import readiness_of, release_option
from engine.database.sessions import session_of
from engine.database.target import Target
from engine.errors import SetupError
from engine.readiness.assessment import Standing, counts
from engine.readiness.attestation import envelope, statement
from engine.readiness.export import MEANINGS, as_facts, as_html, as_markdown
from engine.readiness.looking import Readiness
from engine.readiness.path import Action, path_to
from engine.readiness.running import runnable
from engine.readiness.sealing import Sealer, sealer_of
from engine.readiness.standing import PhaseStanding
from engine.readiness.verifier import Finding

_SHOWN: Final = 12
# Of the verifier: what it has nothing to hold against.
_UNPROVED: Final = "unproved"


@click.command("status")
@release_option
@click.option("--phase", "phase_id", type=NAME, help="Only this one, box by box: PRE-2, READY, …")
@data_dir_option
@json_option
def status(
    name: str,
    environment: str | None,
    phase_id: str | None,
    data_dir: Path | None,
    *,
    as_json: bool,
) -> None:
    """Shows how a release stands.

    Boxes by state, phases, what keeps them, and the shortest path to green.
    """
    with ready_database(data_dir) as (settings, target, clock), session_of(target) as session:
        readiness = readiness_of(session, settings, clock, name, environment)
    phases = readiness.phases if phase_id is None else [_phase(readiness, phase_id)]
    steps = steps_of(readiness, phases)
    if as_json:
        facts = as_facts(readiness)
        wanted = {each.phase.id for each in phases}
        facts["phases"] = [each for each in facts["phases"] if each["id"] in wanted]
        facts["path"] = [_plain(step) for step in steps]
        click.echo(json.dumps(facts))
        return
    click.echo("\n".join(_told(readiness, phases, is_whole=phase_id is None)))
    click.echo("\n".join(path_lines(steps)))


@click.command("gate")
@release_option
@click.option("--until-phase", "phase_id", type=NAME, help="The last phase that has to be signed.")
@click.option(
    "--unverified",
    "may_be_unverified",
    is_flag=True,
    help="Also where the records cannot be held against their seals, for want of the key.",
)
@data_dir_option
@json_option
def gate(
    name: str,
    environment: str | None,
    phase_id: str | None,
    data_dir: Path | None,
    *,
    may_be_unverified: bool,
    as_json: bool,
) -> None:
    """Tells a pipeline whether a release may go on.

    Exits 0 when every phase up to one is signed off and the records are as they were sealed, else 1
    with what is left to do.

    Without --until-phase: every phase that is not bound to a time after the deployment. A host
    without the signing key cannot tell whether the records are as they were sealed.
    """
    with ready_database(data_dir) as (settings, target, clock):
        with session_of(target) as session:
            readiness = readiness_of(session, settings, clock, name, environment)
            sealer = sealer_of(session, settings, clock)
        is_verified = sealer.signer.has_key
        found = _findings(sealer, target)
    phases = _until(readiness, phase_id)
    steps = steps_of(readiness, phases)
    is_open = bool(phases) and not steps and not found and (is_verified or may_be_unverified)
    if as_json:
        facts = {
            "isOpen": is_open,
            "phases": {each.phase.id: each.is_signed_off for each in phases},
            "isVerified": is_verified,
            "findings": [each._asdict() for each in found],
            "path": [_plain(step) for step in steps],
        }
        click.echo(json.dumps(facts))
    else:
        for each in found:
            click.echo(f"{each.what}: {each.where}: {each.why}")
        signed = sum(each.is_signed_off for each in phases)
        click.echo(f"{signed} of {len(phases)} phases are signed off.")
        if not phases:
            click.echo("No phase is to be judged; name one: --until-phase", err=True)
        if not is_verified:
            click.echo(
                "The records were not held against their seals: this host has no signing key. Ask"
                " where it is, or say --unverified.",
                err=True,
            )
        click.echo("\n".join(path_lines(steps)))
    sys.exit(0 if is_open else 1)


def _findings(sealer: Sealer, target: Target) -> Sequence[Finding]:
    """What is wrong with the records; that nothing can be proved without the key is said apart."""
    try:
        found = sealer.findings(target)
    except (OSError, ValueError) as error:
        raise SetupError(
            f"the checkpoints {sealer.checkpoints.path} cannot be read: {type(error).__name__}"
        ) from None
    return [each for each in found if sealer.signer.has_key or each.what != _UNPROVED]


@click.command("export")
@release_option
@click.option(
    "--format",
    "form",
    type=click.Choice(["markdown", "json", "html", "bundle"]),
    default="markdown",
    show_default=True,
    help="The checklist with its boxes ticked; all facts; a report to print; a signed attestation.",
)
@output_option
@data_dir_option
def export_command(
    name: str,
    environment: str | None,
    form: str,
    output: Path | None,
    data_dir: Path | None,
) -> None:
    """Writes a release out."""
    with ready_database(data_dir) as (settings, target, clock):
        with session_of(target) as session:
            sealer = sealer_of(session, settings, clock)
        if form == "bundle":
            sealer.seal_all(target)
        with session_of(target) as session:
            readiness = readiness_of(session, settings, clock, name, environment)
            written = (
                json.dumps(envelope(statement(readiness, session), sealer.signer)) + "\n"
                if form == "bundle"
                else _written(form, readiness)
            )
    content = written.encode()
    if output is None:
        click.echo(content, nl=False)
        return
    try:
        output.write_bytes(content)
    except OSError as error:
        raise SetupError(f"{output} cannot be written: {error.strerror}") from None


def steps_of(readiness: Readiness, phases: Sequence[PhaseStanding]) -> Sequence[Action]:
    """The shortest path to phases that are signed off."""
    able = {item.id for item in runnable(readiness.release)}
    return path_to(readiness, phases, able)


def count_lines(standings: Iterable[Standing]) -> Iterator[str]:
    """How many boxes stand how, and what that means."""
    found = counts({each.item.id: each for each in standings})
    for state, count in found.items():
        yield f"  {count:>4}  {state.value:<18} {MEANINGS[state]}"


def path_lines(steps: Sequence[Action]) -> Iterator[str]:
    """The shortest path, a line for each step; the first boxes of those with many."""
    if not steps:
        yield "Nothing is left to do."
        return
    yield f"The shortest way on, {len(steps)} steps:"
    for step in steps:
        more = f", and {len(step.boxes) - _SHOWN} more" if len(step.boxes) > _SHOWN else ""
        boxes = ", ".join(step.boxes[:_SHOWN]) + more
        # What speaks of one box alone names it already.
        names = "" if not step.boxes or step.boxes[0] in step.words else f" ({boxes})"
        yield f"  {step.kind.value:<6} {step.words}{names}"


def _told(
    readiness: Readiness, phases: Sequence[PhaseStanding], *, is_whole: bool
) -> Iterator[str]:
    release = readiness.release
    deployed = (
        "not deployed"
        if release.deployed_at is None
        else f"deployed at {release.deployed_at:%Y-%m-%d %H:%M} UTC"
    )
    yield f"{release.name}, commit {release.commit}, for {release.environment}, {deployed}"
    boxes = [box for phase in phases for box in phase.phase.boxes]
    yield from count_lines(readiness.standings[box.id] for box in boxes)
    for phase in phases:
        signed = "signed off" if phase.is_signed_off else "not signed off"
        yield (
            f"{phase.phase.id:<9} {phase.settled:>3} of {phase.total:<3} {signed}; {phase.window}"
            f"  {phase.phase.title}"
        )
    if is_whole:
        return
    for box in boxes:
        standing = readiness.standings[box.id]
        words = one_line(f"{box.text}: {standing.reason}")
        yield f"  {box.id:<10} {standing.state.value:<18} {words}"


def _written(form: str, readiness: Readiness) -> str:
    if form == "markdown":
        return as_markdown(readiness)
    if form == "html":
        return as_html(readiness)
    return json.dumps(as_facts(readiness), ensure_ascii=False, indent=2) + "\n"


def _phase(readiness: Readiness, phase_id: str) -> PhaseStanding:
    found = readiness.phase(phase_id)
    if found is None:
        names = ", ".join(each.phase.id for each in readiness.phases)
        raise SetupError(f"there is no phase {phase_id}; there are {names}")
    return found


def _until(readiness: Readiness, phase_id: str | None) -> Sequence[PhaseStanding]:
    if phase_id is None:
        return [each for each in readiness.phases if each.phase.window is None]
    last = readiness.phases.index(_phase(readiness, phase_id))
    return readiness.phases[: last + 1]


def _plain(step: Action) -> dict[str, object]:
    return {
        "kind": step.kind.value,
        "boxes": list(step.boxes),
        "words": step.words,
        "phase": step.phase_id,
    }
