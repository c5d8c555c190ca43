"""The probes of the stored data: green over what was saved, red over what no save does."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, NamedTuple

import pytest

from engine.clock import FrozenClock
from engine.database.sessions import session_of
from engine.database.target import Target
from engine.integrity.rules import RuleResult
from engine.integrity.verification import verify
from engine.readiness.assessment import Verdict
from engine.readiness.checkpoints import CHECKPOINTS_FILE
from engine.readiness.records import RecordKind, put_down
from engine.readiness.sealing import Sealer, sealer_of
from engine.readiness.signing import KEY_FILE
from engine.runtime import Runtime
from tests.database.databases import run
from tests.database.releases import Lookout, superuser
from tests.sabotage import sabotage
from tests.support import Agency

BOXES = {"inv.version": "PRE-1.9", "inv.lastmod": "PRE-1.10", "inv.sweep": "STABLE-9"}
PROBES = list(BOXES)


@pytest.fixture
def look(agency: Agency) -> Lookout:
    quote_id = agency.create()
    agency.update(quote_id, 1, fees=36)
    agency.create()
    runtime = agency.runtime
    return Lookout(runtime).deployed(runtime.clock.now() - timedelta(hours=25))


class Fault(NamedTuple):
    name: str
    probes: tuple[str, ...]
    words: str
    statements: tuple[str, ...]


_NEWEST = "version = (SELECT max(version) FROM quote)"
FAULTS = (
    Fault(
        "version bumped by hand",
        ("inv.version", "inv.sweep"),
        "DI-",
        (f"UPDATE quote SET version = version + 1 WHERE {_NEWEST}",),  # noqa: S608  # ours
    ),
    Fault(
        "ledger row taken out by the owner, who takes the privilege back first",
        ("inv.version", "inv.sweep"),
        "DI-",
        (
            "GRANT DELETE ON attempt TO CURRENT_USER",
            "DELETE FROM attempt WHERE operation = 2",
        ),
    ),
    Fault(
        "ledger row altered by the owner, who takes the privilege back first",
        ("inv.sweep",),
        "DI-13 is broken by 1",
        (
            "GRANT UPDATE ON attempt TO CURRENT_USER",
            "UPDATE attempt SET actual_version = 9 WHERE operation = 2",
        ),
    ),
    Fault(
        "last modified by nobody",
        ("inv.lastmod", "inv.sweep"),
        "",
        (
            "ALTER TABLE quote ALTER last_modified_by DROP NOT NULL",
            "UPDATE quote SET last_modified_by = NULL",
        ),
    ),
    Fault(
        "last modified earlier than its history says, the snapshot altered with it",
        ("inv.lastmod",),
        "2 of 2 quotes say another last change",
        (
            "GRANT UPDATE ON quote_revision TO CURRENT_USER",
            "UPDATE quote SET last_modified_at = last_modified_at - interval '1 hour'",
            """
            UPDATE quote_revision AS r SET snapshot = to_jsonb(q) FROM quote AS q
            WHERE q.id = r.quote_id AND q.version = r.version
            """,
        ),
    ),
)


def test_what_was_saved_keeps_every_rule(look: Lookout) -> None:
    found = [look(probe) for probe in PROBES]

    assert [each for each in found if each.verdict is not Verdict.PASSING] == []
    assert {each.numbers["violations"] for each in found} == {0}
    assert all(each.witness for each in found)


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(
            fault, id=fault.name, marks=[sabotage(each, BOXES[each]) for each in fault.probes]
        )
        for fault in FAULTS
    ],
)
def test_what_no_save_does_breaks_a_rule(look: Lookout, target: Target, fault: Fault) -> None:
    run(target.owner, *fault.statements)

    found = [look(probe) for probe in fault.probes]

    assert {each.verdict for each in found} == {Verdict.FAILING}
    assert all(fault.words in each.reason for each in found)


def test_nothing_stored_proves_nothing(runtime: Runtime) -> None:
    look = Lookout(runtime).deployed(runtime.clock.now() - timedelta(hours=25))

    assert {look(probe).verdict for probe in PROBES} == {Verdict.INSUFFICIENT}


def test_a_day_has_to_pass_before_nothing_is_corrupt(agency: Agency) -> None:
    agency.create()
    clock = agency.runtime.clock
    look = Lookout(agency.runtime)
    before = look("inv.sweep")

    found = look.deployed(clock.now() - timedelta(hours=1))("inv.sweep")

    assert (before.verdict, before.reason) == (Verdict.UNKNOWN, "Not deployed yet")
    assert found.verdict is Verdict.INSUFFICIENT
    assert "more to come until" in found.reason


@sabotage("inv.sweep", "STABLE-9")
@pytest.mark.parametrize("is_sealed", [False, True], ids=["not sealed", "sealed"])
def test_evidence_that_was_altered_shows(
    look: Lookout, server: str, target: Target, *, is_sealed: bool
) -> None:
    runtime = look.runtime
    with session_of(target) as session:
        put_down(session, runtime.clock, look.actor, RecordKind.CONTACTS, look.release_id, {})
    if is_sealed:
        with session_of(target) as session:
            sealer = sealer_of(session, runtime.settings, runtime.clock)
        sealer.seal_all(target)
    untouched = look("inv.sweep")
    run(
        superuser(server, target),
        "UPDATE readiness_record SET recorded_by = 'somebody' WHERE kind = 'contacts'",
    )

    found = look("inv.sweep")

    assert untouched.verdict is Verdict.PASSING, untouched
    assert found.verdict is Verdict.FAILING
    assert "evidence" in found.reason


@pytest.fixture
def sealed(look: Lookout, target: Target) -> Sealer:
    """The sealer of a system whose records are all sealed."""
    with session_of(target) as session:
        sealer = sealer_of(session, look.runtime.settings, look.clock)
    assert sealer.seal_all(target) > 0
    return sealer


MISSING = {
    "key": (KEY_FILE, "there is none in"),
    "checkpoints": (CHECKPOINTS_FILE, "a tail may be cut off unseen"),
}


@pytest.mark.parametrize("what", list(MISSING))
def test_without_key_or_checkpoints_nothing_is_known_of_the_evidence(
    look: Lookout, sealed: Sealer, what: str
) -> None:
    file, words = MISSING[what]
    (sealed.directory / file).unlink()

    found = look("inv.sweep")

    assert found.verdict is Verdict.UNKNOWN, found
    assert words in found.reason


@sabotage("inv.sweep", "STABLE-9")
@pytest.mark.parametrize(
    "statements",
    [
        (
            "GRANT UPDATE ON readiness_record TO CURRENT_USER",
            "UPDATE readiness_record SET recorded_by = 'somebody'",
        ),
        ("UPDATE quote SET version = version + 1",),
    ],
    ids=["evidence", "quotes"],
)
@pytest.mark.parametrize("what", list(MISSING))
def test_what_cannot_be_held_against_its_seals_does_not_hide_what_was_altered(
    look: Lookout, sealed: Sealer, target: Target, what: str, statements: tuple[str, ...]
) -> None:
    (sealed.directory / MISSING[what][0]).unlink()
    run(target.owner, *statements)

    assert look("inv.sweep").verdict is Verdict.FAILING


def test_evidence_that_nobody_seals_is_not_proved(
    look: Lookout, sealed: Sealer, target: Target
) -> None:
    with session_of(target) as session:
        put_down(session, look.clock, look.actor, RecordKind.CONTACTS, look.release_id, {})
    later = FrozenClock(sealed.clock.now() + timedelta(minutes=6))

    found = look("inv.sweep", clock=later)

    assert found.verdict is Verdict.UNKNOWN, found
    assert "1 records: no seal has come since" in found.reason


def test_one_sweep_answers_all_of_a_run(look: Lookout, monkeypatch: pytest.MonkeyPatch) -> None:
    swept: list[object] = []

    def counting(*args: Any, **more: Any) -> list[RuleResult]:
        swept.append(args)
        return verify(*args, **more)

    monkeypatch.setattr("engine.readiness.probes.integrity.verify", counting)
    shared: dict[str, Any] = {}
    for probe in PROBES:
        look(probe, shared=shared)

    assert len(swept) == 1
