"""Writes the expected schema anew from the migrations: python -m tests.golden.regenerate."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from engine.clock import SystemClock
from engine.database.binaries import find
from engine.database.cluster import Cluster
from engine.database.migrate import migrate_up
from engine.database.sessions import session_of
from engine.database.target import OWNER_ROLE, Target, bootstrap
from engine.readiness.fingerprints import schema_lines
from engine.readiness.probes.expected import CATALOGUE_FILE

SCHEMA: Final = Path(__file__).with_name("schema.sql")
CATALOGUE: Final = (
    Path(__file__).resolve().parents[2] / "engine" / "readiness" / "probes" / CATALOGUE_FILE
)
_HEADER: Final = """\
-- The migrated database, as pg_dump writes it. Changed by the migrations, written by
-- python -m tests.golden.regenerate, compared by tests/database/test_schema.py.
"""
# What differs between two servers that hold the same schema: versions, session settings, and the
# random word that recent releases of pg_dump put around their output.
_VOLATILE: Final = re.compile(
    r"^(--|SET |SELECT pg_catalog\.set_config|\\(un)?restrict ).*\n", re.MULTILINE
)
# A privilege since PostgreSQL 17, and the names that 18 gives to NOT NULL.
_BY_RELEASE: Final = re.compile(r",MAINTAIN\b| CONSTRAINT \w+_not_null\b")
_ALL_BEFORE_17: Final = "SELECT,INSERT,REFERENCES,DELETE,TRIGGER,TRUNCATE,UPDATE"


def schema_of(conninfo: str) -> str:
    """What a database is made of, privileges included, the ledger's daily partitions not."""
    dumped = subprocess.run(  # noqa: S603 - the wheel's own program
        [
            *(find().bindir / "pg_dump", "--schema-only", "--no-owner"),
            *("--exclude-table=public.attempt_[0-9]*", f"--dbname={conninfo}"),
        ],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    lasting = _BY_RELEASE.sub("", _VOLATILE.sub("", dumped)).replace(_ALL_BEFORE_17, "ALL")
    statements = re.sub(r"\n{2,}", "\n\n", lasting).strip()
    return f"{_HEADER}\n{statements}\n"


def catalogue_of(target: Target) -> str:
    """The lines that a probe of readiness holds a database against."""
    with session_of(target) as session:
        return "".join(f"{line}\n" for line in schema_lines(session))


def main() -> None:
    """Migrates an empty database on a server of its own, and writes down what it is."""
    directory = Path(tempfile.mkdtemp(prefix="saveguard-golden-"))
    directory.chmod(0o755)  # under root the server runs as another user
    cluster = Cluster(directory / "postgresql")
    try:
        cluster.start()
        bootstrap(cluster.conninfo("postgres"), "golden")
        owner = cluster.conninfo("golden", OWNER_ROLE)
        migrate_up(owner, SystemClock())
        SCHEMA.write_text(schema_of(owner), encoding="utf-8")
        CATALOGUE.write_text(catalogue_of(Target(app=owner, owner=owner)), encoding="utf-8")
    finally:
        cluster.stop()
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
