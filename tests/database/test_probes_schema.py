"""The probes of the schema: green on a migrated database, red once something is done to it."""

from __future__ import annotations

import pytest

from engine.database.target import Target
from engine.readiness.assessment import Verdict
from engine.readiness.probes.expected import expected_schema
from engine.runtime import Runtime
from tests.database.databases import run
from tests.database.releases import Lookout
from tests.golden.regenerate import catalogue_of


@pytest.fixture
def look(runtime: Runtime) -> Lookout:
    return Lookout(runtime)


SABOTAGE = [
    ("mig.applied", "UPDATE alembic_version SET version_num = '0010'", "1 are missing"),
    (
        "mig.applied",
        (
            "GRANT ALL ON schema_change TO CURRENT_USER;"
            " UPDATE schema_change SET checksum = sha256('another') WHERE revision = '0007'"
        ),
        "Revision 0007 was run from another file",
    ),
    (
        "mig.applied",
        (
            "GRANT ALL ON schema_change TO CURRENT_USER;"
            " DELETE FROM schema_change WHERE revision = '0011'"
        ),
        "nobody has run it",
    ),
    ("mig.fingerprint", "DROP INDEX quote_client_idx", "1 lines are missing"),
    ("mig.fingerprint", "ALTER TABLE quote ADD COLUMN more text", "1 are not of any"),
    ("mig.fingerprint", "GRANT DELETE ON quote TO saveguard_app", "1 are not of any"),
    ("mig.fingerprint", "ALTER TABLE quote ALTER trip_name DROP NOT NULL", "1 lines are missing"),
    ("mig.columns", "ALTER TABLE quote DROP COLUMN last_modified_by CASCADE", "last_modified_by"),
    ("mig.columns", "ALTER TABLE quote ALTER version DROP NOT NULL", "version"),
    (
        "mig.index",
        "ALTER TABLE quote_revision DROP CONSTRAINT quote_revision_pkey CASCADE",
        "No valid index",
    ),
]


@pytest.mark.parametrize("probe", ["mig.applied", "mig.columns", "mig.fingerprint", "mig.index"])
def test_a_migrated_database_is_as_it_should_be(look: Lookout, probe: str) -> None:
    found = look(probe)

    assert found.verdict is Verdict.PASSING, found
    assert found.reason
    assert found.witness


@pytest.mark.parametrize(("probe", "sabotage", "words"), SABOTAGE)
def test_what_was_done_to_it_shows(
    look: Lookout, target: Target, probe: str, sabotage: str, words: str
) -> None:
    run(target.owner, sabotage)

    found = look(probe)

    assert found.verdict is Verdict.FAILING, found
    assert words in found.reason


def test_the_expected_catalogue_is_what_the_migrations_make(target: Target) -> None:
    assert catalogue_of(target).splitlines() == list(expected_schema())
