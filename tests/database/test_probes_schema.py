"""The probes of the schema: green on a migrated database, red once something is done to it."""

from __future__ import annotations

import pytest

from engine.database.target import Target
from engine.readiness.assessment import Verdict
from engine.readiness.probes.expected import expected_schema
from engine.runtime import Runtime
from tests.database.databases import run
from tests.database.releases import Lookout, superuser
from tests.golden.regenerate import catalogue_of
from tests.sabotage import sabotage


@pytest.fixture
def look(runtime: Runtime) -> Lookout:
    return Lookout(runtime)


BOXES = {
    "mig.applied": ("PRE-2.1",),
    "mig.columns": ("PRE-2.3",),
    "mig.fingerprint": ("PRE-2.2", "PRE-5.4"),
    "mig.index": ("PRE-2.4",),
}
_ELSEWHERE = """
    DO $$ BEGIN
        EXECUTE format('ALTER DATABASE %I SET search_path = elsewhere, public', current_database());
    END $$
"""
_ON_A_PARTITION = """
    CREATE TRIGGER lose BEFORE UPDATE ON attempt_default
    FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()
"""
SABOTAGE = [
    ("mig.applied", "UPDATE alembic_version SET version_num = '0013'", "1 are missing"),
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
            " DELETE FROM schema_change WHERE revision = '0014'"
        ),
        "nobody has run it",
    ),
    ("mig.applied", "DELETE FROM alembic_version", "At revision none"),
    ("mig.fingerprint", "DROP INDEX quote_client_idx", "1 lines are missing"),
    (
        "mig.fingerprint",
        "ALTER TABLE agent DROP CONSTRAINT agent_account_fkey",
        "1 lines are missing",
    ),
    ("mig.fingerprint", "ALTER TABLE quote ADD COLUMN more text", "1 are not of any"),
    ("mig.fingerprint", "GRANT DELETE ON quote TO saveguard_app", "1 are not of any"),
    ("mig.fingerprint", "ALTER TABLE quote ALTER trip_name DROP NOT NULL", "1 lines are missing"),
    (
        "mig.fingerprint",
        "ALTER TABLE audit_event ENABLE ROW LEVEL SECURITY",
        "'row security audit_event",
    ),
    (
        "mig.fingerprint",
        "CREATE RULE lose AS ON INSERT TO audit_event DO INSTEAD NOTHING",
        "'rule audit_event",
    ),
    ("mig.fingerprint", _ON_A_PARTITION, "'trigger of a partition attempt_default"),
    ("mig.fingerprint", _ELSEWHERE, "'setting search_path"),
    ("mig.columns", "ALTER TABLE quote DROP COLUMN last_modified_by CASCADE", "last_modified_by"),
    ("mig.columns", "ALTER TABLE quote ALTER version DROP NOT NULL", "version"),
    (
        "mig.index",
        "ALTER TABLE quote_revision DROP CONSTRAINT quote_revision_pkey CASCADE",
        "No valid index",
    ),
]


@pytest.mark.parametrize("probe", list(BOXES))
def test_a_migrated_database_is_as_it_should_be(look: Lookout, probe: str) -> None:
    found = look(probe)

    assert found.verdict is Verdict.PASSING, found
    assert found.reason
    assert found.witness


@pytest.mark.parametrize(
    ("probe", "statement", "words"),
    [
        pytest.param(*each, id=f"{each[0]}-{each[2]}", marks=sabotage(each[0], *BOXES[each[0]]))
        for each in SABOTAGE
    ],
)
def test_what_was_done_to_it_shows(
    look: Lookout, target: Target, probe: str, statement: str, words: str
) -> None:
    run(target.owner, statement)

    found = [look(probe, box) for box in BOXES[probe]]

    assert {each.verdict for each in found} == {Verdict.FAILING}, found
    assert all(words in each.reason for each in found)


@sabotage("mig.fingerprint", "PRE-2.2")
def test_keys_that_nobody_checks_any_more_show(look: Lookout, server: str, target: Target) -> None:
    run(superuser(server, target), "ALTER TABLE quote DISABLE TRIGGER ALL")

    found = look("mig.fingerprint")

    assert found.verdict is Verdict.FAILING, found
    assert "is D" in found.reason


def test_the_expected_catalogue_is_what_the_migrations_make(target: Target) -> None:
    assert catalogue_of(target).splitlines() == list(expected_schema())
