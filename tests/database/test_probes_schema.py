"""The probes of the schema: green on a migrated database, red once something is done to it."""

from __future__ import annotations

import psycopg
import pytest

from engine.database.target import Target
from engine.readiness.assessment import Verdict
from engine.readiness.probes.expected import expected_schema
from engine.readiness.probes.probe import Found, Question
from engine.readiness.probes.registry import PROBES
from engine.runtime import Runtime
from tests.database.releases import lead, readiness_of, released
from tests.golden.regenerate import catalogue_of


class Lookout:
    """Looks with one probe."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        _, actor = lead(runtime.target, runtime.clock)
        release_id = released(runtime.target, runtime.clock, actor)
        self.readiness = readiness_of(runtime.target, runtime.settings, runtime.clock, release_id)

    def __call__(self, probe: str) -> Found:
        item = next(each for each in self.readiness.release.items.values() if each.probe == probe)
        phase = next(
            each
            for each in self.readiness.release.checklist.phases
            if any(box.id == item.id for box in each.boxes)
        )
        question = Question(self.runtime, self.readiness.release, item, phase, {})
        return PROBES[probe](question)


@pytest.fixture
def look(runtime: Runtime) -> Lookout:
    return Lookout(runtime)


def done(target: Target, *statements: str) -> None:
    """Something that no migration has done."""
    with psycopg.connect(target.owner, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


SABOTAGE = [
    ("mig.applied", "UPDATE alembic_version SET version_num = '0009'", "1 are missing"),
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
    done(target, sabotage)

    found = look(probe)

    assert found.verdict is Verdict.FAILING, found
    assert words in found.reason


def test_the_expected_catalogue_is_what_the_migrations_make(target: Target) -> None:
    assert catalogue_of(target).splitlines() == list(expected_schema())
