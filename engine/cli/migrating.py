"""`saveguard migrate up|down|status`."""

from __future__ import annotations

import json
from pathlib import Path

import click
import psycopg

from engine.attempts.partitions import ensure_partitions
from engine.cli.options import data_dir_option, json_option, settings_of
from engine.clock import SystemClock
from engine.database.migrate import migrate_down, migrate_up, migration_status
from engine.database.target import Target, open_target, require_existing


@click.group("migrate")
def migrate_group() -> None:
    """The schema: where it stands, up, down."""


@migrate_group.command("up")
@click.argument("revision", default="head")
@data_dir_option
def up(revision: str, data_dir: Path | None) -> None:
    """Brings the schema to REVISION, the newest unless given."""
    target, clock = open_target(settings_of(data_dir=data_dir)), SystemClock()
    migrate_up(target.owner, clock, revision)
    status = migration_status(target.owner)
    if status.current == status.head:
        with psycopg.connect(target.owner, autocommit=True) as connection:
            ensure_partitions(connection, clock.now())
    click.echo(f"at revision {status.current} of {status.head}")


@migrate_group.command("down")
@click.argument("revision")
@click.confirmation_option(prompt="Going back drops columns and tables with their data. Go on?")
@data_dir_option
def down(revision: str, data_dir: Path | None) -> None:
    """Takes the schema back to REVISION; `base` removes everything."""
    target = _existing_target(data_dir)
    migrate_down(target.owner, SystemClock(), revision)
    click.echo(f"at revision {migration_status(target.owner).current or 'base'}")


@migrate_group.command("status")
@data_dir_option
@json_option
def status_command(data_dir: Path | None, as_json: bool) -> None:  # noqa: FBT001
    """Shows the schema's revision and what is pending."""
    target = _existing_target(data_dir)
    status = migration_status(target.owner)
    if as_json:
        pending = [revision._asdict() for revision in status.pending]
        click.echo(json.dumps({"current": status.current, "head": status.head, "pending": pending}))
        return
    click.echo(f"at revision {status.current or 'base'} of {status.head}")
    for revision in status.pending:
        click.echo(f"pending {revision.id}: {revision.title}")


def _existing_target(data_dir: Path | None) -> Target:
    settings = settings_of(data_dir=data_dir)
    require_existing(settings)
    return open_target(settings)
