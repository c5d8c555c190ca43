"""`saveguard readiness verify` and `key`: whether the records are what was put down."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from engine.cli.facts import show_facts
from engine.cli.options import data_dir_option, json_option, ready_database
from engine.database.sessions import session_of
from engine.errors import SetupError
from engine.readiness.sealing import bundle, sealer_of
from engine.readiness.signing import PUBLIC_KEY_FILE


@click.command("verify")
@click.option(
    "--bundle",
    "output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Also write all records and seals here, for the stand-alone verifier.",
)
@data_dir_option
@json_option
def verify_command(output: Path | None, data_dir: Path | None, *, as_json: bool) -> None:
    """Verifies that all records are what was put down.

    Seals what waits, then holds every record against seals, checkpoints and key.

    Exits 1 when something was edited, put in, taken out, moved or brought back.
    """
    with ready_database(data_dir) as (settings, target, clock):
        with session_of(target) as session:
            sealer = sealer_of(session, settings, clock)
        try:
            sealed, refusal = sealer.seal_all(target, is_whole=True), ""
        except (SetupError, OSError) as error:  # what is there is looked at all the same
            sealed, refusal = 0, str(error)
        try:
            verified = sealer.verified(target)
        except (OSError, ValueError) as error:
            raise SetupError(
                f"the checkpoints {sealer.checkpoints.path} cannot be read: {type(error).__name__}"
            ) from None
        if output is not None:
            with session_of(target) as session:
                _write(output, json.dumps(bundle(session, sealer.installation)))
    found = verified.findings
    facts = {
        "records": verified.records,
        "seals": verified.seals,
        "sealedNow": sealed,
        "notSealed": refusal or None,
        "findings": [each._asdict() for each in found],
    }
    if as_json:
        click.echo(json.dumps(facts))
    else:
        for each in found:
            click.echo(f"{each.what}: {each.where}: {each.why}")
        if refusal:
            click.echo(refusal, err=True)
        state = f"{len(found)} findings" if found else "as they were sealed"
        click.echo(f"{facts['records']:,} records, {facts['seals']:,} seals: {state}")
    sys.exit(int(bool(found or refusal)))


@click.command("key")
@data_dir_option
@json_option
def key(data_dir: Path | None, *, as_json: bool) -> None:
    """Shows the public key of the records.

    And where it and the checkpoints lie: keep copies of both outside of this machine, for they are
    what a verifier trusts.
    """
    with ready_database(data_dir) as (settings, target, clock), session_of(target) as session:
        sealer = sealer_of(session, settings, clock)
        facts = {
            "publicKey": sealer.public_key.hex(),
            "publicKeyFile": str(sealer.directory / PUBLIC_KEY_FILE),
            "checkpoints": str(sealer.checkpoints.path),
            "installation": str(sealer.installation),
        }
    show_facts(facts, as_json=as_json)


def _write(path: Path, content: str) -> None:
    try:
        path.write_text(content, "utf-8")
    except OSError as error:
        raise SetupError(f"{path} cannot be written: {error.strerror}") from None
