"""One contact is changed at a time: the others stay, and nobody writes another's change away."""

from __future__ import annotations

from threading import Barrier, Thread
from typing import Final
from uuid import UUID

import pytest

from engine.access.audit import Actor
from engine.access.roles import Role
from engine.clock import Clock, FrozenClock
from engine.database.sessions import session_of
from engine.database.target import Target
from engine.errors import ErrorCode, Refusal
from engine.readiness.contacts import Contact, put_contact, roster_of, set_contacts
from tests.database.people import account, acting, trail
from tests.database.releases import lead
from tests.unit.readiness_records import NOW

ADA: Final = Contact("on-call", "primary", "Ada Lovelace", "+351 210 000 000", "ada@agency.pt")
SLACK: Final = Contact("channel", "slack", address="#saves")
NOBODY: Final = Contact("on-call", "primary")


class Desk:
    """A lead, and the contacts of an environment."""

    def __init__(self, target: Target) -> None:
        self.target, self.clock = target, FrozenClock(NOW)
        _, self.actor = lead(target, self.clock)
        with session_of(target) as session:
            set_contacts(session, self.clock, self.actor, "staging", [ADA, SLACK])

    def put(
        self, contact: Contact, was: Contact, actor: Actor | None = None, clock: Clock | None = None
    ) -> UUID | Refusal:
        with session_of(self.target) as session:
            return put_contact(
                session, clock or self.clock, actor or self.actor, "staging", contact, was
            )

    @property
    def contacts(self) -> tuple[Contact, ...]:
        with session_of(self.target) as session:
            return roster_of(session, "staging").contacts


@pytest.fixture
def desk(target: Target) -> Desk:
    return Desk(target)


def test_a_contact_takes_the_place_of_the_one_that_was_seen_and_the_others_stay(desk: Desk) -> None:
    grace = Contact("on-call", "primary", "Grace", "+351 220 000 000", "grace@agency.pt")

    made = desk.put(grace, ADA)

    assert isinstance(made, UUID)
    assert desk.contacts == (grace, SLACK)
    assert trail(desk.target)[-1]["action"] == "contacts changed"
    assert trail(desk.target)[-1]["details"] == {"contacts": 2}


def test_a_contact_without_any_words_is_taken_out(desk: Desk) -> None:
    assert isinstance(desk.put(NOBODY, ADA), UUID)

    assert desk.contacts == (SLACK,)


@pytest.mark.parametrize("was", [NOBODY, Contact("on-call", "primary", "Somebody else")], ids=str)
def test_one_that_is_not_as_it_was_seen_is_left_alone(desk: Desk, was: Contact) -> None:
    refused = desk.put(Contact("on-call", "primary", "Grace"), was)

    assert isinstance(refused, Refusal)
    assert refused.code is ErrorCode.QUOTE_CONFLICT_VERSION
    assert desk.contacts == (ADA, SLACK)
    assert trail(desk.target)[-1]["outcome"] == "refused"


def test_another_one_for_what_there_is_one_for_is_refused(desk: Desk) -> None:
    refused = desk.put(
        Contact("channel", "Slack", address="#other"), Contact("channel", "telegram")
    )

    assert isinstance(refused, Refusal)
    assert refused.code is ErrorCode.QUOTE_VALIDATION_FAILED
    assert desk.contacts == (ADA, SLACK)


def test_who_may_not_sign_off_changes_none(desk: Desk) -> None:
    refused = desk.put(NOBODY, ADA, acting(account(desk.target, desk.clock, Role.ON_CALL)))

    assert isinstance(refused, Refusal)
    assert refused.code is ErrorCode.AUTHORIZATION_FAILED
    assert desk.contacts == (ADA, SLACK)


def test_two_who_change_two_contacts_at_once_change_both(desk: Desk) -> None:
    """Each reads all contacts and writes all of them: without order one change would be lost."""
    start = Barrier(2, timeout=30)
    roles = [f"number {number}" for number in range(2)]

    def change(role: str) -> None:
        contact = Contact("channel", role, address=f"#{role[-1]}")
        with session_of(desk.target) as session:
            start.wait()
            put_contact(
                session, desk.clock, desk.actor, "staging", contact, Contact("channel", role)
            )

    threads = [Thread(target=change, args=(role,)) for role in roles]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert {each.role for each in desk.contacts} == {"primary", "slack", *roles}
