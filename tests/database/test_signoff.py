"""Sign-off: who may, bound to what they saw, one record each; nothing is ever changed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from sqlmodel import Session

from engine.access.audit import Actor, terminal_actor
from engine.access.roles import Role
from engine.clock import FrozenClock, SystemClock
from engine.database.sessions import session_of
from engine.database.target import Target
from engine.errors import ErrorCode, Refusal
from engine.readiness import fingerprints, signoff
from engine.readiness.assessment import State, Verdict
from engine.readiness.contacts import Contact, set_contacts
from engine.readiness.documents import Documents
from engine.readiness.fingerprints import fingerprints_now
from engine.readiness.knowledge import knowledge_of
from engine.readiness.looking import Readiness, look
from engine.readiness.records import RecordKind, put_down, records_of
from engine.readiness.releases import put_down_deployment
from engine.readiness.signoff import WAIVER_MAX, evidence_body
from engine.readiness.standing import Meaning
from engine.settings import Settings
from tests.database.people import account, acting, stored, trail
from tests.database.releases import lead, released

START = datetime(2026, 11, 26, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
# A phase of one box that people vouch for, one that a machine looks at, and one that follows.
LIST = "## Pre\n### Phase 1: Words\n- [ ] Read by somebody\n- [ ] Read by another\n"
AUTHORIZATION, CONFLICT, STATE, VALIDATION = (
    ErrorCode.AUTHORIZATION_FAILED,
    ErrorCode.QUOTE_CONFLICT_VERSION,
    ErrorCode.QUOTE_STATE_INVALID,
    ErrorCode.QUOTE_VALIDATION_FAILED,
)


class Desk:
    """A release, and what people say of it."""

    def __init__(self, target: Target, settings: Settings, **plan: Any) -> None:
        self.target, self.settings, self.clock = target, settings, FrozenClock(START)
        _, self.lead = lead(target, self.clock)
        # Whoever puts a release down does not sign it.
        _, self.maker = lead(target, self.clock)
        self.release_id = released(target, self.clock, self.maker, **plan)

    @contextmanager
    def read(self) -> Iterator[tuple[Session, Readiness, Any]]:
        with session_of(self.target) as session:
            release = knowledge_of(records_of(session, self.release_id)).release
            now = fingerprints_now(session, self.settings, release)
            found = look(session, self.release_id, now, self.clock.now())
            assert found is not None
            yield session, found, now

    def readiness(self) -> Readiness:
        with self.read() as (_, readiness, _now):
            return readiness

    def sign(self, actor: Actor, phase: str = "PRE-1", **changes: Any) -> UUID | Refusal:
        with self.read() as (session, readiness, _):
            standing = readiness.phase(phase)
            said: dict[str, Any] = {
                "meaning": Meaning.APPROVED,
                "comment": "",
                "seen": "" if standing is None else standing.seen,
            }
            return signoff.sign(session, self.clock, actor, readiness, phase, **(said | changes))

    def seen_at_gate(self, box: str) -> str:
        return signoff.seen_at_gate(self.readiness(), box)

    def attest(
        self, actor: Actor, box: str, comment: str = "I have read it", **changes: Any
    ) -> UUID | Refusal:
        with self.read() as (session, readiness, now):
            return signoff.attest(
                session, self.clock, actor, readiness, box, comment, now, **changes
            )

    def exempt(self, actor: Actor, box: str, days: float | None, why: str = "Later") -> Any:
        until = None if days is None else self.clock.now() + timedelta(days=days)
        with self.read() as (session, readiness, _):
            return signoff.exempt(session, self.clock, actor, readiness, box, why, expires_at=until)

    def second(self, actor: Actor, record_id: UUID) -> UUID | Refusal:
        with self.read() as (session, readiness, _):
            return signoff.second(session, self.clock, actor, readiness, record_id)

    def revoke(self, actor: Actor, record_id: UUID, why: str = "A slip") -> UUID | Refusal:
        with self.read() as (session, readiness, _):
            return signoff.revoke(session, self.clock, actor, readiness, record_id, why)

    def found(self, box: str, verdict: Verdict = Verdict.PASSING, **numbers: str) -> UUID:
        """A machine has looked."""
        with self.read() as (session, readiness, now):
            return put_down(
                session,
                self.clock,
                terminal_actor(self.clock, "ops"),
                RecordKind.EVIDENCE,
                readiness.release.id,
                evidence_body(
                    readiness.release.id,
                    self.clock.uuid7(),
                    verdict,
                    "Two of two are right",
                    started_at=self.clock.now(),
                    ended_at=self.clock.now(),
                    fingerprints=now,
                    numbers=numbers,
                    witness="",
                    is_attested=False,
                ),
                item_id=box,
            ).id

    def somebody(self) -> Actor:
        return lead(self.target, self.clock)[1]

    def state(self, box: str) -> State:
        return self.readiness().standings[box].state

    def kinds(self) -> list[str]:
        with session_of(self.target) as session:
            return [each.kind for each in records_of(session, self.release_id)]

    def is_signed_off(self) -> bool:
        phase = self.readiness().phase("PRE-1")
        assert phase is not None
        return phase.is_signed_off


@pytest.fixture
def desk(target: Target, settings: Settings) -> Desk:
    """A release of two boxes that people vouch for."""
    return Desk(target, settings, checklist=LIST)


@pytest.fixture
def ours(target: Target, settings: Settings) -> Desk:
    """A release with our own checklist."""
    return Desk(target, settings)


@pytest.fixture
def settled(desk: Desk) -> Desk:
    for box in ("PRE-1.1", "PRE-1.2"):
        assert isinstance(desk.attest(desk.lead, box), UUID)
    return desk


def code(result: UUID | Refusal) -> ErrorCode:
    assert isinstance(result, Refusal), result
    return result.code


def test_a_settled_phase_is_signed_off_by_a_lead_and_the_trail_says_so(settled: Desk) -> None:
    assert isinstance(settled.sign(settled.lead), UUID)

    (signed,) = settled.readiness().knowledge.sign_offs
    assert (signed.who, signed.role, signed.meaning) == (settled.lead.name, "lead", "approved")
    assert settled.is_signed_off()
    event = trail(settled.target)[-1]
    assert (event["action"], event["outcome"]) == ("phase signed", "done")


def test_two_leads_who_sign_at_the_same_moment_leave_a_record_each(settled: Desk) -> None:
    actors = [settled.lead, settled.somebody()]
    together, results = threading.Barrier(2), []

    def sign(actor: Actor) -> None:
        with settled.read() as (session, readiness, _):
            phase = readiness.phase("PRE-1")
            assert phase is not None
            together.wait()
            results.append(
                signoff.sign(
                    session,
                    settled.clock,
                    actor,
                    readiness,
                    "PRE-1",
                    Meaning.APPROVED,
                    "",
                    phase.seen,
                )
            )
            together.wait()  # neither has committed yet

    threads = [threading.Thread(target=sign, args=(actor,)) for actor in actors]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert all(isinstance(each, UUID) for each in results)
    signed = settled.readiness().knowledge.sign_offs
    assert {each.who for each in signed} == {actor.name for actor in actors}


@pytest.mark.parametrize("role", [None, Role.VIEWER, Role.ON_CALL])
def test_who_is_no_lead_signs_nothing_and_that_is_written_down(
    settled: Desk, role: Role | None
) -> None:
    actor = acting(account(settled.target, settled.clock, role))

    assert code(settled.sign(actor)) is AUTHORIZATION

    assert RecordKind.SIGN_OFF not in settled.kinds()
    event = trail(settled.target)[-1]
    assert (event["outcome"], event["error_code"], event["actor"]) == (
        "refused",
        AUTHORIZATION,
        actor.name,
    )


def test_every_act_asks_for_the_role(settled: Desk) -> None:
    viewer = acting(account(settled.target, settled.clock, Role.VIEWER))
    waiver = settled.exempt(settled.lead, "PRE-1.1", 7)
    before = settled.kinds()

    assert [
        code(settled.attest(viewer, "PRE-1.1")),
        code(settled.exempt(viewer, "PRE-1.1", 7)),
        code(settled.second(viewer, waiver)),
        code(settled.revoke(viewer, waiver)),
    ] == [AUTHORIZATION] * 4
    assert settled.kinds() == before


def test_nobody_signs_at_a_terminal(settled: Desk) -> None:
    assert code(settled.sign(terminal_actor(settled.clock, "root"))) is AUTHORIZATION
    assert RecordKind.SIGN_OFF not in settled.kinds()


@pytest.mark.parametrize("by", ["address", "account found by address"])
def test_the_author_signs_nothing(target: Target, settings: Settings, by: str) -> None:
    author = account(target, SystemClock(), Role.LEAD, email="Ada@people.example")
    plans: dict[str, dict[str, Any]] = {
        "address": {"author": "ADA@people.example"},
        "account found by address": {"author": "ada@PEOPLE.example"},
    }
    desk = Desk(target, settings, checklist=LIST, **plans[by])
    actor = acting(author)
    if by == "account found by address":
        # Called otherwise since.
        with psycopg.connect(target.owner) as connection:
            connection.execute(
                "UPDATE account SET email = 'ada.l@people.example' WHERE id = %s", [author.id]
            )
        actor = replace(actor, name="ada.l@people.example")
    for box in ("PRE-1.1", "PRE-1.2"):
        desk.attest(desk.lead, box)

    assert code(desk.sign(actor)) is AUTHORIZATION
    assert code(desk.attest(actor, "PRE-1.1")) is AUTHORIZATION
    assert code(desk.exempt(actor, "PRE-1.1", 7)) is AUTHORIZATION
    assert code(desk.second(actor, desk.exempt(desk.lead, "PRE-1.1", 7))) is AUTHORIZATION
    assert RecordKind.SIGN_OFF not in desk.kinds()


def test_who_makes_a_release_and_names_no_author_is_its_author(
    target: Target, settings: Settings
) -> None:
    desk = Desk(target, settings, author="", checklist=LIST)

    assert desk.readiness().release.author_id == desk.maker.account_id
    assert code(desk.attest(desk.maker, "PRE-1.1")) is AUTHORIZATION


def test_who_puts_a_release_down_for_somebody_else_signs_nothing_of_it_either(
    settled: Desk,
) -> None:
    assert settled.readiness().release.author_id != settled.maker.account_id

    assert code(settled.sign(settled.maker)) is AUTHORIZATION
    assert code(settled.attest(settled.maker, "PRE-1.1")) is AUTHORIZATION


def test_nobody_approves_a_release_without_a_known_author(settled: Desk) -> None:
    with settled.read() as (session, readiness, _):
        known = readiness.knowledge
        unknown = replace(known, release=replace(known.release, author_id=None))
        (phase,) = readiness.phases
        said = (settled.lead, replace(readiness, knowledge=unknown), "PRE-1")
        refusal = signoff.sign(session, settled.clock, *said, Meaning.APPROVED, "", phase.seen)
        review = signoff.sign(session, settled.clock, *said, Meaning.REVIEWED, "Read", phase.seen)

    assert code(refusal) is AUTHORIZATION
    assert isinstance(refusal, Refusal)
    assert "no known author" in refusal.message
    assert isinstance(review, UUID)


def test_a_role_that_was_taken_away_a_second_ago_signs_nothing(settled: Desk) -> None:
    with psycopg.connect(settled.target.owner) as connection:
        connection.execute(
            "UPDATE account SET role = 'on-call' WHERE id = %s", [settled.lead.account_id]
        )
    settled.clock.advance(timedelta(seconds=1))

    assert code(settled.sign(settled.lead)) is AUTHORIZATION


def test_a_role_that_is_being_taken_away_signs_nothing(settled: Desk) -> None:
    """The signature waits for the transaction that takes the role, and then sees it taken."""
    result: list[UUID | Refusal] = []
    with psycopg.connect(settled.target.owner) as taking:
        taking.execute("UPDATE account SET role = NULL WHERE id = %s", [settled.lead.account_id])
        signing = threading.Thread(target=lambda: result.append(settled.sign(settled.lead)))
        signing.start()
        until_waited_for(settled.target)
        taking.commit()
        signing.join()

    assert code(result[0]) is AUTHORIZATION
    assert settled.lead.account_id is not None
    assert stored(settled.target, settled.lead.account_id)["role"] is None
    assert RecordKind.SIGN_OFF not in settled.kinds()


def until_waited_for(target: Target) -> None:
    """Returns once somebody waits for a lock."""
    query = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    with psycopg.connect(target.owner, autocommit=True) as connection:
        while connection.execute(query).fetchone() == (0,):
            connection.execute("SELECT pg_stat_clear_snapshot()")


def test_what_has_changed_since_it_was_seen_is_not_signed(settled: Desk) -> None:
    seen = settled.readiness().phases[0].seen
    settled.attest(settled.lead, "PRE-1.1", "I have read it again")

    assert code(settled.sign(settled.lead, seen=seen)) is CONFLICT
    assert RecordKind.SIGN_OFF not in settled.kinds()


def test_open_boxes_are_named_and_keep_a_phase_from_being_approved_not_from_review(
    desk: Desk,
) -> None:
    desk.attest(desk.lead, "PRE-1.1")

    refused = desk.sign(desk.lead)

    assert code(refused) is STATE
    assert isinstance(refused, Refusal)
    assert refused.details == {"blocking": ["PRE-1.2"]}
    assert isinstance(desk.sign(desk.lead, meaning=Meaning.REVIEWED, comment="So far"), UUID)
    assert not desk.is_signed_off()


@pytest.mark.parametrize("phase", ["PRE-2", ""])
def test_there_is_no_signing_of_what_is_not_there(settled: Desk, phase: str) -> None:
    assert code(settled.sign(settled.lead, phase)) is VALIDATION


def test_a_phase_is_signed_off_until_a_box_stands_otherwise(settled: Desk) -> None:
    settled.sign(settled.lead)
    settled.attest(settled.lead, "PRE-1.1", "I have read it once more")
    assert settled.is_signed_off()  # other evidence, which says the same

    word = settled.attest(settled.lead, "PRE-1.1", "I was wrong", is_good=False)
    assert not settled.is_signed_off()

    assert isinstance(word, UUID)
    settled.revoke(settled.lead, word)
    assert settled.is_signed_off()


def test_a_revoked_signature_counts_no_more_and_its_record_stays(settled: Desk) -> None:
    signed = settled.sign(settled.lead)
    assert isinstance(signed, UUID)

    assert isinstance(settled.revoke(settled.somebody(), signed), UUID)

    assert not settled.is_signed_off()
    assert settled.kinds()[-2:] == [RecordKind.SIGN_OFF, RecordKind.REVOCATION]


def test_what_a_machine_has_found_is_taken_back_by_nobody(ours: Desk) -> None:
    evidence = ours.found("PRE-1.1", Verdict.FAILING)

    assert code(ours.revoke(ours.lead, evidence)) is VALIDATION
    assert ours.state("PRE-1.1") is State.FAILING


def test_a_record_of_another_release_cannot_be_taken_back_through_this_one(
    settled: Desk, target: Target
) -> None:
    signed = settled.sign(settled.lead)
    assert isinstance(signed, UUID)
    settled.release_id = released(target, settled.clock, settled.maker, name="next", checklist=LIST)

    assert code(settled.revoke(settled.lead, signed)) is VALIDATION


def test_a_waiver_counts_once_a_second_person_has_agreed_and_until_it_ends(desk: Desk) -> None:
    waiver = desk.exempt(desk.lead, "PRE-1.1", 7)
    assert desk.state("PRE-1.1") is State.UNKNOWN

    assert code(desk.second(desk.lead, waiver)) is AUTHORIZATION
    assert isinstance(desk.second(desk.somebody(), waiver), UUID)
    assert desk.state("PRE-1.1") is State.WAIVED

    desk.clock.advance(timedelta(days=7))
    assert desk.state("PRE-1.1") is State.UNKNOWN


def test_a_phase_with_waivers_is_approved_with_waivers_or_not_at_all(desk: Desk) -> None:
    desk.second(desk.somebody(), desk.exempt(desk.lead, "PRE-1.1", 7))
    desk.attest(desk.lead, "PRE-1.2")

    assert desk.readiness().phases[0].counts[State.WAIVED] == 1
    assert code(desk.sign(desk.lead)) is STATE
    assert isinstance(desk.sign(desk.lead, meaning=Meaning.WAIVED), UUID)


@pytest.mark.parametrize(
    ("days", "is_taken"), [(0, False), (30, True), (30.01, False), (-1, False)]
)
def test_a_waiver_ends_within_thirty_days(desk: Desk, days: float, *, is_taken: bool) -> None:
    assert timedelta(days=30) == WAIVER_MAX
    assert isinstance(desk.exempt(desk.lead, "PRE-1.1", days), UUID) is is_taken


@pytest.mark.parametrize("why", ["", "  \n", "x" * 2_001, "a\x00b", "a\x1b[2Jb", "a\rb"])
def test_a_waiver_needs_a_sentence_of_why(desk: Desk, why: str) -> None:
    assert code(desk.exempt(desk.lead, "PRE-1.1", 7, why)) is VALIDATION
    assert code(desk.attest(desk.lead, "PRE-1.1", why)) is VALIDATION


def test_what_does_not_apply_is_settled_with_its_reason(desk: Desk) -> None:
    desk.exempt(desk.lead, "PRE-1.1", None, "There is no such page")

    standing = desk.readiness().standings["PRE-1.1"]
    assert (standing.state, standing.reason) == (State.NOT_APPLICABLE, "There is no such page")
    desk.attest(desk.lead, "PRE-1.2")
    assert code(desk.sign(desk.lead)) is STATE
    assert isinstance(desk.sign(desk.lead, meaning=Meaning.WAIVED), UUID)


def test_that_a_machines_box_does_not_apply_counts_once_a_second_person_has_agreed(
    ours: Desk,
) -> None:
    apart = ours.exempt(ours.lead, "PRE-1.1", None)
    assert ours.state("PRE-1.1") is State.UNKNOWN

    assert code(ours.second(ours.lead, apart)) is AUTHORIZATION
    assert isinstance(ours.second(ours.somebody(), apart), UUID)
    assert ours.state("PRE-1.1") is State.NOT_APPLICABLE


@pytest.mark.parametrize("box", ["PRE-10.8", "PRE-6.6"])
def test_that_a_box_of_several_people_does_not_apply_is_not_said_by_one_of_them(
    ours: Desk, box: str
) -> None:
    apart = ours.exempt(ours.lead, box, None)
    assert ours.state(box) is State.UNKNOWN

    assert isinstance(ours.second(ours.somebody(), apart), UUID)
    assert ours.state(box) is State.NOT_APPLICABLE


def test_nobody_says_or_agrees_that_a_red_box_does_not_apply(ours: Desk) -> None:
    apart = ours.exempt(ours.lead, "PRE-1.1", None)
    ours.found("PRE-1.1", Verdict.FAILING)

    assert code(ours.exempt(ours.lead, "PRE-1.1", None)) is STATE
    assert code(ours.second(ours.somebody(), apart)) is STATE
    assert ours.state("PRE-1.1") is State.FAILING


@pytest.mark.parametrize("box", ["PRE-6.5", "POST-7.4"])
def test_nobody_vouches_where_a_machine_has_to_see_each_person_first(ours: Desk, box: str) -> None:
    refusal = ours.attest(ours.lead, box)

    assert code(refusal) is STATE
    assert isinstance(refusal, Refusal)
    assert "machine gate" in refusal.message
    assert ours.state(box) is State.UNKNOWN


@pytest.mark.parametrize(
    ("window", "minutes", "is_taken"),
    [
        ("0-15 minutes", None, False),
        ("0-15 minutes", 14, False),
        ("0-15 minutes", 15, True),
        ("after 24 hours", 24 * 60 - 1, False),
        ("after 24 hours", 24 * 60, True),
    ],
)
def test_a_phase_that_runs_after_the_deployment_is_approved_once_it_is_over(
    target: Target, settings: Settings, window: str, minutes: int | None, *, is_taken: bool
) -> None:
    markdown = f"## Post-Deployment Checklist\n### Phase 1: Watch ({window})\n- [ ] Look at it\n"
    desk = Desk(target, settings, checklist=markdown)
    (phase,) = desk.readiness().phases
    if minutes is not None:
        with session_of(target) as session:
            put_down_deployment(session, desk.clock, desk.maker, desk.release_id, START)
        desk.clock.advance(timedelta(minutes=minutes))
    (box,) = (each.id for each in phase.phase.boxes)
    desk.attest(desk.lead, box)

    assert isinstance(desk.sign(desk.lead, phase.phase.id), UUID) is is_taken


@pytest.mark.parametrize("box", ["READY-1", "PRE-10.1", "PRE-1.1", "PRE-2.5"])
def test_a_box_that_a_machine_decides_or_that_follows_is_not_ticked_by_hand(
    ours: Desk, box: str
) -> None:
    assert code(ours.attest(ours.lead, box)) is STATE
    assert ours.state(box) is State.UNKNOWN


def test_a_box_that_follows_from_others_is_not_exempt_by_itself(ours: Desk) -> None:
    assert code(ours.exempt(ours.lead, "READY-1", 7)) is STATE
    assert code(ours.exempt(ours.lead, "READY-1", None)) is STATE


def test_a_box_that_two_people_vouch_for_takes_two(ours: Desk) -> None:
    ours.found("PRE-10.8")
    ours.attest(ours.lead, "PRE-10.8")
    ours.attest(ours.lead, "PRE-10.8", "Again")
    assert ours.state("PRE-10.8") is State.INSUFFICIENT

    ours.attest(ours.somebody(), "PRE-10.8")
    assert ours.state("PRE-10.8") is State.PASSING

    ours.attest(ours.somebody(), "PRE-10.8", "The window is a holiday", is_good=False)
    assert ours.state("PRE-10.8") is State.FAILING
    ours.attest(ours.lead, "PRE-10.8")
    assert ours.state("PRE-10.8") is State.INSUFFICIENT


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        (None, "A machine has to look first"),
        (Verdict.FAILING, "Its gate is shut: Two of two are right"),
        (Verdict.UNKNOWN, "Its gate is shut"),
    ],
    ids=["never looked at", "red", "not to be told"],
)
def test_nobody_vouches_while_a_gate_is_shut_and_somebody_may_speak_against_it(
    ours: Desk, verdict: Verdict | None, words: str
) -> None:
    if verdict is not None:
        ours.found("PRE-6.1", verdict)

    refusal = ours.attest(ours.lead, "PRE-6.1")

    assert code(refusal) is STATE
    assert isinstance(refusal, Refusal)
    assert words in refusal.message
    assert isinstance(ours.attest(ours.lead, "PRE-6.1", "They are old", is_good=False), UUID)
    assert ours.state("PRE-6.1") is State.FAILING


def test_nobody_vouches_for_what_has_changed_since_a_machine_looked(
    ours: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours.found("PRE-6.1")
    edited = Documents(Path(), {"docs/one.md": "edited"})
    monkeypatch.setattr(fingerprints, "read_documents", lambda: edited)

    refusal = ours.attest(ours.lead, "PRE-6.1")

    assert isinstance(refusal, Refusal)
    assert "has changed since" in refusal.message


def test_a_word_is_for_what_was_read_and_not_for_what_a_machine_has_seen_since(
    ours: Desk,
) -> None:
    ours.found("PRE-6.1", seen="three pages")
    read = ours.seen_at_gate("PRE-6.1")
    ours.found("PRE-6.1", seen="four pages")

    assert code(ours.attest(ours.lead, "PRE-6.1", seen=read)) is CONFLICT
    assert isinstance(ours.attest(ours.lead, "PRE-6.1", seen="four pages"), UUID)
    against = ours.attest(ours.lead, "PRE-6.1", "It is old", is_good=False, seen=read)
    assert isinstance(against, UUID)


def test_whoever_is_on_call_without_an_address_is_missed(ours: Desk) -> None:
    ada = acting(account(ours.target, ours.clock, Role.ON_CALL, email="ada@agency.travel"))
    people = [
        Contact("on-call", "primary", "Ada", "+351 210 000 000", "ada@agency.travel"),
        Contact("on-call", "secondary", "Rui", "+351 210 000 001"),
    ]
    with session_of(ours.target) as session:
        set_contacts(session, ours.clock, ours.lead, "staging", people)
    ours.found("PRE-6.6")

    assert isinstance(ours.attest(ada, "PRE-6.6"), UUID)

    assert ours.state("PRE-6.6") is State.INSUFFICIENT


def test_each_who_is_on_call_vouches_for_themselves_lead_or_not_and_nobody_else_does(
    ours: Desk,
) -> None:
    ada = acting(account(ours.target, ours.clock, Role.ON_CALL, email="ada@agency.travel"))
    rui = acting(account(ours.target, ours.clock, Role.LEAD, email="rui@agency.travel"))
    people = [
        Contact("on-call", role, name, "+351 210 000 000", f"{name.upper()}@agency.travel")
        for role, name in (("primary", "ada"), ("secondary", "rui"))
    ]
    with session_of(ours.target) as session:
        set_contacts(session, ours.clock, ours.lead, "staging", people)
    ours.found("PRE-6.6")

    assert code(ours.attest(ours.lead, "PRE-6.6")) is AUTHORIZATION
    assert isinstance(ours.attest(ada, "PRE-6.6"), UUID)
    assert ours.state("PRE-6.6") is State.INSUFFICIENT
    assert isinstance(ours.attest(rui, "PRE-6.6"), UUID)
    assert ours.state("PRE-6.6") is State.PASSING
    assert code(ours.attest(ada, "PRE-6.1")) is AUTHORIZATION


def test_two_people_vouch_for_a_drill_that_was_run_and_do_not_stand_in_for_it(
    ours: Desk,
) -> None:
    other = ours.somebody()
    assert code(ours.attest(ours.lead, "PRE-7.8")) is STATE

    ours.found("PRE-7.8", Verdict.FAILING)
    for actor in (ours.lead, other):
        ours.attest(actor, "PRE-7.8")
    assert ours.state("PRE-7.8") is State.FAILING

    ours.found("PRE-7.8")
    assert ours.state("PRE-7.8") is State.INSUFFICIENT
    for actor in (ours.lead, other):
        ours.attest(actor, "PRE-7.8")
    standing = ours.readiness().standings["PRE-7.8"]
    assert standing.state is State.PASSING
    assert ours.lead.name in standing.reason
    assert other.name in standing.reason
