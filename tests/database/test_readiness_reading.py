"""A release is read from few of its many records, and comes to what all of them come to."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest

from engine.access.audit import terminal_actor
from engine.access.roles import Role
from engine.clock import FrozenClock
from engine.database.sessions import session_of
from engine.database.target import Target
from engine.errors import ErrorCode, Refusal
from engine.readiness.assessment import State, Verdict
from engine.readiness.contacts import Contact, roster_of, set_contacts
from engine.readiness.fingerprints import fingerprints_now
from engine.readiness.knowledge import knowledge_of
from engine.readiness.looking import look, read_release, records_that_count
from engine.readiness.records import RecordKind, put_down, records_of
from engine.readiness.signoff import evidence_body
from engine.settings import Settings
from tests.database.people import account, acting, trail
from tests.database.releases import lead, readiness_of, released
from tests.unit.readiness_records import NOW

MINUTE = timedelta(minutes=1)


class Looks:
    """Two releases of one environment, and looks at their boxes."""

    def __init__(self, target: Target, settings: Settings) -> None:
        self.target, self.settings, self.clock = target, settings, FrozenClock(NOW)
        _, actor = lead(target, self.clock)
        self.one = released(target, self.clock, actor)
        self.two = released(target, self.clock, actor, name="two")
        self.elsewhere = released(target, self.clock, actor, name="else", environment="live")

    def at(
        self,
        release_id: UUID,
        box: str,
        verdict: Verdict = Verdict.PASSING,
        *,
        is_attested: bool = False,
    ) -> None:
        self.clock.advance(MINUTE)
        now = self.clock.now()
        with session_of(self.target) as session:
            release = read_release(session, release_id)
            assert release is not None
            body = evidence_body(
                release_id,
                self.clock.uuid7(),
                verdict,
                "Two of two",
                started_at=now,
                ended_at=now,
                fingerprints=fingerprints_now(session, self.settings, release),
                numbers={},
                witness="",
                is_attested=is_attested,
            )
            actor = terminal_actor(self.clock, f"ops at {now:%H:%M}")
            put_down(session, self.clock, actor, RecordKind.EVIDENCE, release_id, body, item_id=box)

    def state(self, release_id: UUID, box: str) -> State:
        now = readiness_of(self.target, self.settings, self.clock, release_id)
        return now.standings[box].state


@pytest.fixture
def looks(target: Target, settings: Settings) -> Looks:
    return Looks(target, settings)


def test_of_many_looks_the_newest_is_read_and_every_word(looks: Looks) -> None:
    for verdict in (Verdict.FAILING, Verdict.INSUFFICIENT, Verdict.PASSING):
        looks.at(looks.one, "PRE-2.1", verdict)
    for _ in range(2):
        looks.at(looks.one, "PRE-6.4", is_attested=True)

    with session_of(looks.target) as session:
        release = read_release(session, looks.one)
        assert release is not None
        counting = [each.id for each in records_that_count(session, release)]
        everything = records_of(session, looks.one)
        whole = knowledge_of(everything)
        read = knowledge_of(records_that_count(session, release))

    assert (len(everything), len(counting)) == (6, 4)
    assert read.evidence == whole.evidence
    assert looks.state(looks.one, "PRE-2.1") is State.PASSING


def test_evidence_goes_over_to_a_release_of_the_same_environment_and_to_no_other(
    looks: Looks,
) -> None:
    looks.at(looks.one, "PRE-2.1", Verdict.FAILING)
    looks.at(looks.one, "PRE-2.1")
    looks.at(looks.one, "PRE-1.1")
    looks.at(looks.one, "PRE-6.4", is_attested=True)

    assert looks.state(looks.two, "PRE-2.1") is State.PASSING
    assert looks.state(looks.elsewhere, "PRE-2.1") is State.UNKNOWN
    assert looks.state(looks.two, "PRE-1.1") is State.UNKNOWN
    assert looks.state(looks.two, "PRE-6.4") is State.UNKNOWN

    looks.at(looks.two, "PRE-2.1", Verdict.FAILING)
    assert looks.state(looks.one, "PRE-2.1") is State.FAILING


def test_evidence_of_before_a_migration_is_stale_wherever_it_came_from(looks: Looks) -> None:
    looks.at(looks.one, "PRE-2.1")
    with session_of(looks.target) as session:
        release = read_release(session, looks.two)
        assert release is not None
        now = fingerprints_now(session, looks.settings, release)
        migrated = {each: f"{value} and more" for each, value in now.items()}
        found = look(session, looks.two, migrated, looks.clock.now())

    assert found is not None
    assert found.standings["PRE-2.1"].state is State.STALE
    assert found.standings["PRE-2.1"].reason == "What it speaks of has changed since: schema"


def test_contacts_that_are_red_make_the_box_red_and_those_that_nobody_put_down_do_not(
    looks: Looks,
) -> None:
    _, actor = lead(looks.target, looks.clock)
    before = looks.state(looks.one, "PRE-10.10")
    with session_of(looks.target) as session:
        contact = Contact("on-call", "primary", name="[Name]")
        set_contacts(session, looks.clock, actor, "staging", [contact])
    now = readiness_of(looks.target, looks.settings, looks.clock, looks.one)

    assert (before, looks.state(looks.elsewhere, "PRE-10.10")) == (State.UNKNOWN, State.UNKNOWN)
    assert now.standings["PRE-10.10"].state is State.FAILING
    assert "8 contacts are red, on-call, primary" in now.standings["PRE-10.10"].reason
    assert now.standings["READY-1"].state is State.FAILING


def test_there_is_no_release_of_an_id_that_nobody_has_given(looks: Looks) -> None:
    with session_of(looks.target) as session:
        nobody = looks.clock.uuid7()
        assert read_release(session, nobody) is None
        assert look(session, nobody, {}, looks.clock.now()) is None


@pytest.mark.parametrize("role", [None, Role.VIEWER, Role.ON_CALL])
def test_contacts_are_changed_by_leads(target: Target, role: Role | None) -> None:
    clock = FrozenClock(NOW)
    actor = acting(account(target, clock, role))
    with session_of(target) as session:
        refused = set_contacts(session, clock, actor, "staging", [Contact("channel", "slack")])
    with session_of(target) as session:
        roster = roster_of(session, "staging")

    assert isinstance(refused, Refusal)
    assert refused.code is ErrorCode.AUTHORIZATION_FAILED
    assert roster.contacts == ()
    assert trail(target)[-1]["outcome"] == "refused"


def test_the_last_contacts_of_an_environment_count_and_say_who_put_them_down(
    target: Target,
) -> None:
    clock = FrozenClock(NOW)
    _, actor = lead(target, clock)
    for address in ("#old", "#new"):
        clock.advance(MINUTE)
        with session_of(target) as session:
            contact = Contact("channel", "slack", address=address)
            assert isinstance(set_contacts(session, clock, actor, "staging", [contact]), UUID)
    with session_of(target) as session:
        roster, other = roster_of(session, "staging"), roster_of(session, "production")

    assert [each.address for each in roster.contacts] == ["#new"]
    assert (roster.changed_by, roster.changed_at) == (actor.name, clock.now())
    assert other.contacts == ()
