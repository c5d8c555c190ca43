"""The page of readiness: what leads do, and what becomes of it."""

from __future__ import annotations

from typing import Any, Final

import psycopg
import pytest
from psycopg.rows import dict_row
from streamlit.testing.v1 import AppTest

from dashboard.viewer import Viewer
from engine.access.audit import terminal_actor
from engine.access.roles import Role
from engine.database.sessions import session_of
from engine.readiness.probes.probe import failing
from engine.readiness.running import put_down_found
from engine.readiness.signoff import attest
from engine.runtime import Runtime
from tests.dashboard.going_on import going_on_meanwhile
from tests.dashboard.readiness import (
    SMALL,
    Desk,
    acting,
    again,
    desk,
    interpreted,
    labels,
    opened,
    press,
    table,
    told,
)
from tests.dashboard.viewers import Seat

_SAID: Final = "Read it from end to end"


@pytest.fixture
def small(engine: Runtime, seat: Seat) -> Desk:
    """A release of a small checklist; a lead looks at it who is not its author."""
    return desk(engine, seat(Role.LEAD), checklist=SMALL)


def at(made: Desk, phase: str, box: str = "") -> AppTest:
    """The page at a phase, or a box of it."""
    more = {"box": box} if box else {}
    return opened(release=str(made.release_id), phase=phase, **more)


def vouch(made: Desk, box: str, words: str = _SAID) -> AppTest:
    """The page, once whoever looks has vouched for a box."""
    page = at(made, box.rpartition(".")[0].partition(".")[0], box)
    page.text_area(key=f"said_{made.release_id}_{box}").set_value(words)
    return press(page, f"Vouch for {box}")


def sign(made: Desk, page: AppTest, phase: str, meaning: str, comment: str = "") -> AppTest:
    """The page, once whoever looks has asked to sign a phase."""
    key = f"{made.release_id}_{phase}"
    page.selectbox(key=f"meaning_{key}").set_value(meaning)
    page.text_area(key=f"comment_{key}").set_value(comment)
    return press(page, f"Sign {phase}")


def test_what_was_done_is_said_to_whoever_has_gone_on_meanwhile(
    small: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    going_on_meanwhile(monkeypatch)

    page = vouch(small, "PRE-1.1")

    assert "Your word for PRE-1.1 was put down." in told(page)


def events(engine: Runtime) -> list[dict[str, Any]]:
    """The audit trail, oldest first."""
    with psycopg.connect(engine.target.owner, row_factory=dict_row) as plain:
        return plain.execute("SELECT * FROM audit_event ORDER BY happened_at, id").fetchall()


def vouched_elsewhere(made: Desk, viewer: Viewer, box: str) -> None:
    """Somebody has vouched for a box meanwhile, not on this page."""
    runtime = made.engine
    with session_of(runtime.target) as session:
        attest(session, runtime.clock, acting(viewer), made.now(), box, "As said", {})


def test_a_machine_looks_at_a_phase_and_what_it_found_is_told(engine: Runtime, seat: Seat) -> None:
    made = desk(engine, seat(Role.LEAD))
    page = at(made, "PRE-2")

    press(page, "Look at 4 boxes of PRE-2")

    (event,) = [each for each in events(engine) if each["action"] == "probe run"]
    assert "4 boxes looked at: 4 passing. Correlation id: " in told(page)
    assert event["correlation_id"] in told(page)
    assert event["details"] == {"boxes": 4}
    states = {row["Box"]: row["State"][0] for row in table(page, "Boxes of the phase")}
    assert states["PRE-2.1"] == "passing"


def test_a_machine_looks_at_one_box_and_its_evidence_is_shown(engine: Runtime, seat: Seat) -> None:
    made = desk(engine, seat(Role.LEAD))
    page = at(made, "PRE-2", "PRE-2.3")

    press(page, "Look at PRE-2.3 now")

    facts = {row["Fact"]: row["Value"] for row in table(page, "Facts of the box")}
    (record,) = table(page, "What was put down of the box")
    assert made.state("PRE-2.3") == facts["State"] == "passing"
    assert facts["Digest"].startswith(record["Digest"])
    assert (record["What"], record["Came to"]) == ("look", "passing")
    assert table(page, "Numbers of the box")
    assert page.code


def test_what_a_look_names_is_for_who_may_read_attempts(engine: Runtime, seat: Seat) -> None:
    made = desk(engine, seat(Role.LEAD))
    broken = failing("DI-1 is broken", checked=9, offenders=["quote 7"])
    with session_of(engine.target) as session:
        put_down_found(
            session, engine.clock, engine.settings, terminal_actor(engine.clock, "ops"),
            made.now().release, "PRE-1.9", broken, engine.clock.now(),
        )  # fmt: skip

    for role, sees in ((Role.ON_CALL, True), (Role.VIEWER, False)):
        seat(role)
        numbers = table(at(made, "PRE-1", "PRE-1.9"), "Numbers of the box")

        assert {"checked": "9"}.items() <= {row["Fact"]: row["Value"] for row in numbers}.items()
        assert ("quote 7" in str(numbers)) is sees


def test_a_release_that_goes_elsewhere_is_not_looked_at_here(engine: Runtime, seat: Seat) -> None:
    made = desk(engine, seat(Role.LEAD), environment="elsewhere")
    page = at(made, "PRE-2")

    press(page, "Look at 4 boxes of PRE-2")

    assert "This system is " in told(page)
    assert "QUOTE_VALIDATION_FAILED" in interpreted(page)
    assert made.state("PRE-2.1") == "unknown"


def test_somebodys_word_settles_a_box_and_its_sentence_is_kept_until_it_is_put_down(
    small: Desk,
) -> None:
    page = vouch(small, "PRE-1.1", "  ")
    refused = told(page)
    page = vouch(small, "PRE-1.1")

    assert "It needs a sentence of why. Correlation id: " in refused
    assert "Your word for PRE-1.1 was put down. Correlation id: " in told(page)
    assert page.text_area(key=f"said_{small.release_id}_PRE-1.1").value == ""
    assert small.state("PRE-1.1") == "passing"


def test_a_word_against_a_box_makes_it_red(small: Desk) -> None:
    page = at(small, "PRE-1", "PRE-1.1")

    page.radio(key=f"word_{small.release_id}_PRE-1.1").set_value("It is not so")
    page.text_area(key=f"said_{small.release_id}_PRE-1.1").set_value("There is no plan")
    press(page, "Vouch for PRE-1.1")

    assert small.state("PRE-1.1") == "failing"


def test_a_waiver_counts_once_somebody_else_agrees(small: Desk, seat: Seat) -> None:
    key = f"{small.release_id}_PRE-2.1"
    page = at(small, "PRE-2", "PRE-2.1")
    page.text_area(key=f"reason_{key}").set_value("The locksmith comes on Monday")
    press(page, "Exempt PRE-2.1")
    asked, alone = told(page), small.state("PRE-2.1")
    press(page, "Agree to the waiver")
    by_the_same = told(page)

    seat(Role.LEAD)
    page = press(at(small, "PRE-2", "PRE-2.1"), "Agree to the waiver")

    assert "A waiver of PRE-2.1 for 7 days waits for somebody else to agree." in asked
    assert alone == "unknown"
    assert "Somebody else has to agree" in by_the_same
    assert "PRE-2.1 is waived." in told(page)
    assert small.state("PRE-2.1") == "waived"
    assert "Agree to the waiver" not in labels(page)
    assert table(page, "Boxes of the phase")[0]["State"][0] == "waived"


def test_a_page_that_stood_open_offers_to_agree_to_what_was_asked_meanwhile(small: Desk) -> None:
    """The clock stands still: what was read a moment ago is as good as new."""
    asks, stood_open = at(small, "PRE-2", "PRE-2.1"), at(small, "PRE-2", "PRE-2.1")
    before = labels(stood_open)
    asks.text_area(key=f"reason_{small.release_id}_PRE-2.1").set_value("The locksmith is ill")
    press(asks, "Exempt PRE-2.1")

    again(stood_open)

    assert "Agree to the waiver" not in before
    assert "Agree to the waiver" in labels(stood_open)


def test_a_box_that_does_not_apply_needs_nobody_else(small: Desk) -> None:
    key = f"{small.release_id}_PRE-2.1"
    page = at(small, "PRE-2", "PRE-2.1")
    page.selectbox(key=f"what_{key}").set_value("It does not apply to this release")
    page.text_area(key=f"reason_{key}").set_value("There is no door")

    press(page, "Exempt PRE-2.1")

    assert "PRE-2.1 does not apply." in told(page)
    assert small.state("PRE-2.1") == "n/a"


def test_that_a_machines_box_does_not_apply_waits_for_somebody_else(
    engine: Runtime, seat: Seat
) -> None:
    made = desk(engine, seat(Role.LEAD))
    key = f"{made.release_id}_PRE-2.1"
    page = at(made, "PRE-2", "PRE-2.1")
    page.selectbox(key=f"what_{key}").set_value("It does not apply to this release")
    page.text_area(key=f"reason_{key}").set_value("There is no such table")
    press(page, "Exempt PRE-2.1")
    asked, alone = told(page), made.state("PRE-2.1")

    seat(Role.LEAD)
    page = press(at(made, "PRE-2", "PRE-2.1"), "Agree that it does not apply")

    assert "That PRE-2.1 does not apply waits for somebody else to agree." in asked
    assert alone == "unknown"
    assert "PRE-2.1 does not apply." in told(page)
    assert made.state("PRE-2.1") == "n/a"


def test_two_leads_sign_a_phase_and_both_names_stand_there(small: Desk, seat: Seat) -> None:
    vouch(small, "PRE-2.1")
    mine = at(small, "PRE-2")
    sign(small, mine, "PRE-2", "reviewed", "Locked, I have tried it")
    seat(Role.LEAD)
    page = sign(small, at(small, "PRE-2"), "PRE-2", "approved")

    rows = table(page, "Signatures of the phase")
    assert "PRE-2 is signed: approved. Correlation id: " in told(page)
    assert [(row["Meaning"], row["Comment"], row["Holds"]) for row in rows] == [
        ("reviewed", "Locked, I have tried it", "still"),
        ("approved", "", "still"),
    ]
    assert len({each.account_id for each in small.now().knowledge.sign_offs}) == 2
    phase = small.now().phase("PRE-2")
    assert phase is not None
    assert phase.is_signed_off


def test_open_boxes_are_named_to_who_would_approve_them(small: Desk) -> None:
    page = sign(small, at(small, "PRE-1"), "PRE-1", "approved")

    assert "3 boxes are open, PRE-1.1 among them" in told(page)
    assert "QUOTE_STATE_INVALID" in interpreted(page)
    assert not small.now().knowledge.sign_offs


def test_what_has_changed_since_it_was_seen_is_not_signed(small: Desk, seat: Seat) -> None:
    page = at(small, "PRE-1")
    other = seat(Role.LEAD)
    vouched_elsewhere(small, other, "PRE-1.1")

    sign(small, page, "PRE-1", "reviewed", "Seen")
    refused = told(page)
    sign(small, page, "PRE-1", "reviewed", "Seen again")

    assert "What you saw has changed since; look again" in refused
    assert "PRE-1 is signed: reviewed." in told(page)
    assert [each.comment for each in small.now().knowledge.sign_offs] == ["Seen again"]


def test_the_author_is_told_and_refused(engine: Runtime, seat: Seat) -> None:
    made = desk(engine, seat(Role.LEAD), checklist=SMALL, author="")
    page = at(made, "PRE-1")
    said = page.info[0].value

    sign(made, page, "PRE-1", "reviewed", "I like it")

    assert "You are this release's author" in said
    assert "Whoever made a release does not sign it" in told(page)
    assert "AUTHORIZATION_FAILED" in interpreted(page)
    assert not made.now().knowledge.sign_offs


def test_a_role_that_was_taken_away_a_moment_ago_signs_nothing(small: Desk) -> None:
    page = at(small, "PRE-1")
    with psycopg.connect(small.engine.target.owner, autocommit=True) as plain:
        plain.execute("UPDATE account SET role = 'viewer'")

    sign(small, page, "PRE-1", "reviewed", "Seen")

    assert "Your role does not permit this" in told(page)
    assert "AUTHORIZATION_FAILED" in interpreted(page)
    assert not small.now().knowledge.sign_offs


def test_a_signature_is_taken_back_with_a_reason_and_its_record_stays(small: Desk) -> None:
    page = sign(small, at(small, "PRE-1"), "PRE-1", "reviewed", "Too early")
    key = f"{small.release_id}_signature_PRE-1"

    page.text_area(key=f"why_{key}").set_value("Nobody had asked the team")
    press(page, "Take it back")

    assert "It is taken back; its record stays. Correlation id: " in told(page)
    assert not small.now().knowledge.sign_offs
    assert [event["action"] for event in events(small.engine)][-2:] == [
        "phase signed",
        "record revoked",
    ]


def test_a_word_is_taken_back_and_the_box_is_open_again(small: Desk) -> None:
    page = vouch(small, "PRE-1.1")
    key = f"{small.release_id}_word_PRE-1.1"

    page.text_area(key=f"why_{key}").set_value("It was another plan")
    press(page, "Take it back")

    assert small.state("PRE-1.1") == "unknown"
    kinds = [row["What"] for row in table(page, "What was put down of the box")]
    assert kinds == ["taken back", "somebody's word, taken back"]


def test_a_signature_that_no_longer_holds_says_so(small: Desk) -> None:
    vouch(small, "PRE-2.1")
    sign(small, at(small, "PRE-2"), "PRE-2", "approved")
    page = at(small, "PRE-2", "PRE-2.1")
    page.radio(key=f"word_{small.release_id}_PRE-2.1").set_value("It is not so")
    page.text_area(key=f"said_{small.release_id}_PRE-2.1").set_value("Somebody has the key")

    press(page, "Vouch for PRE-2.1")

    (row,) = table(page, "Signatures of the phase")
    assert row["Holds"] == "no: boxes stand otherwise now"
