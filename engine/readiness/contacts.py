"""Whom to call, and by which channel: data of an environment, put down by leads.

Judged by pure functions: what is empty, a placeholder, or an address that leads nowhere is red, and
the reason is said.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid5

from sqlalchemy import text
from sqlmodel import Session

from engine.access.audit import Action, Actor, Subject
from engine.access.permits import Permit
from engine.access.roles import Permission
from engine.clock import Clock
from engine.errors import ErrorCode, Refusal
from engine.readiness.assessment import Evidence, Verdict
from engine.readiness.items import Item
from engine.readiness.records import RecordKind, body_of, put_down, records_of

# Contacts are of an environment and of no release: their records have an id of its name.
_OF_ENVIRONMENTS: Final = UUID("5d3b5a0e-6d1f-5c57-9a52-0f5c6d8a4b11")
# What looks for the boxes that on-call can be reached.
_CALLS: Final = "oncall.page"
_WORDS_MAX: Final = 200
_PLACEHOLDER: Final = re.compile(r"\[.*\]|<.*>|tbd|todo|n/?a|x{3,}", re.IGNORECASE)
# Domains that are reserved for examples (RFC 2606), and lead nowhere.
_NOWHERE: Final = re.compile(
    r"(^|[@/.])(example\.[a-z]+|[^@/\s]*\.(example|invalid|test)|localhost)([:/]|$)", re.IGNORECASE
)
_EMAIL: Final = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_DIGITS_MIN: Final = 5
_CHANGED: Final = Refusal(
    ErrorCode.QUOTE_CONFLICT_VERSION,
    "Somebody has changed this contact since you saw it; nothing was put down. Look again.",
)


@dataclass(frozen=True, slots=True)
class Contact:
    """Somebody who is called, or a channel that is written to.

    Attributes:
        part: on-call, escalation or channel.
        role: primary, team lead, telegram, …
        name: of the person; empty of a channel.
        phone: of the person; empty of a channel.
        email: of the person; empty of a channel.
        address: of the channel: a link, an address, a name; empty of a person.
    """

    part: str
    role: str
    name: str = ""
    phone: str = ""
    email: str = ""
    address: str = ""

    @property
    def has_words(self) -> bool:
        """Whether anything is said of it beside what it is for."""
        return any(each.strip() for each in (self.name, self.phone, self.email, self.address))


# Those that the checklist asks for, in its order.
WANTED: Final = (
    ("on-call", "primary"),
    ("on-call", "secondary"),
    ("escalation", "team lead"),
    ("escalation", "engineering manager"),
    ("escalation", "vp engineering"),
    ("channel", "telegram"),
    ("channel", "webhook"),
    ("channel", "slack"),
)
PARTS: Final = ("on-call", "escalation", "channel")


@dataclass(frozen=True, slots=True)
class Judged:
    """A contact, and what is wrong with it.

    Attributes:
        contact: it.
        fault: why it is red; empty when it is not.
    """

    contact: Contact
    fault: str

    @property
    def is_good(self) -> bool:
        """Whether somebody can be reached by it, as far as can be read off."""
        return not self.fault


@dataclass(frozen=True, slots=True)
class Roster:
    """The contacts of an environment.

    Attributes:
        environment: whose.
        contacts: those that were put down.
        changed_by: who did; empty when nobody has.
        changed_at: when; None when nobody has.
        digest: of their record.
    """

    environment: str
    contacts: tuple[Contact, ...]
    changed_by: str = ""
    changed_at: datetime | None = None
    digest: str = ""

    @property
    def on_call(self) -> frozenset[str]:
        """The e-mail addresses of those who are on call, in lower case.

        Whoever has none is there by their role: nobody can speak for them, so that they are missed.
        """
        return frozenset(
            each.email.strip().casefold() or each.role.casefold()
            for each in self.contacts
            if each.part == "on-call"
        )

    def judged(self) -> tuple[Judged, ...]:
        """Each contact that is wanted, and each other that is there, with what is wrong."""
        there = {_named(each): each for each in self.contacts}
        wanted = [there.pop(each, Contact(*each)) for each in WANTED]
        return tuple(Judged(each, fault_of(each)) for each in [*wanted, *there.values()])


def fault_of(contact: Contact) -> str:
    """What is wrong with a contact; empty when nothing is."""
    if contact.part == "channel":
        return _fault("address", contact.address)
    for name in ("name", "phone", "email"):
        fault = _fault(name, getattr(contact, name))
        if fault:
            return fault
    if sum(letter.isdigit() for letter in contact.phone) < _DIGITS_MIN:
        return "The phone has no number"
    return "" if _EMAIL.fullmatch(contact.email) else "The email is no address"


def roster_of(session: Session, environment: str) -> Roster:
    """The contacts of an environment, as they were put down last."""
    records = [
        each
        for each in records_of(session, _subject_id(environment))
        if each.kind == RecordKind.CONTACTS
    ]
    if not records:
        return Roster(environment, ())
    newest = records[-1]
    contacts = tuple(Contact(**each) for each in body_of(newest)["contacts"])
    return Roster(
        environment, contacts, newest.recorded_by, newest.recorded_at, newest.digest.hex()
    )


def evidence_against(roster: Roster, items: Mapping[str, Item]) -> dict[str, Evidence]:
    """What speaks against the boxes that somebody can be called: contacts that are red.

    Nothing does while there are none at all: then nobody knows.

    Args:
        roster: of the release's environment.
        items: how each box is decided.
    """
    red = [each for each in roster.judged() if not each.is_good]
    if roster.changed_at is None or not red:
        return {}
    first = red[0]
    return {
        box_id: Evidence(
            item_id=box_id,
            verdict=Verdict.FAILING,
            # Which, and no name or number: a reason goes into exports.
            reason=f"{len(red)} contacts are red, {first.contact.part}, {first.contact.role}"
            " among them: see saveguard readiness contacts list",
            ended_at=roster.changed_at,
            fingerprints={},
            digest=roster.digest,
            runner=roster.changed_by,
            numbers={"red": len(red)},
        )
        for box_id in held_back(items)
    }


def held_back(items: Mapping[str, Item]) -> tuple[str, ...]:
    """The boxes that stay red while a contact is, in the checklist's order."""
    return tuple(item.id for item in items.values() if item.probe == _CALLS)


def set_contacts(
    session: Session, clock: Clock, actor: Actor, environment: str, contacts: Sequence[Contact]
) -> UUID | Refusal:
    """Puts down the contacts of an environment, all of them; those before stay as a record.

    Returns:
        The record's id; AUTHORIZATION_FAILED for who may not sign off; QUOTE_VALIDATION_FAILED for
        what cannot be one. A placeholder can, and is red.
    """
    permit = Permit(session, clock, actor, Permission.SIGN_OFF)
    refusal = permit.refusal(Action.CONTACTS_CHANGED, Subject("environment", environment))
    if refusal is not None:
        return refusal
    _one_after_the_other(session)
    return _put_down(permit, environment, contacts)


def put_contact(
    session: Session,
    clock: Clock,
    actor: Actor,
    environment: str,
    contact: Contact,
    was: Contact,
) -> UUID | Refusal:
    """Puts one contact down in the place of another; the others stay as they are.

    Args:
        session: of the action.
        clock: for the record.
        actor: who asks.
        environment: whose contacts.
        contact: as it is to be; one without any words beside its part and role is taken out.
        was: as whoever asks has seen it; without words where there was none.

    Returns:
        As `set_contacts`; and QUOTE_CONFLICT_VERSION when it is not as it was seen any more.
    """
    permit = Permit(session, clock, actor, Permission.SIGN_OFF)
    subject = Subject("environment", environment)
    refusal = permit.refusal(Action.CONTACTS_CHANGED, subject)
    if refusal is not None:
        return refusal
    _one_after_the_other(session)
    there = {_named(each): each for each in roster_of(session, environment).contacts}
    if there.get(_named(was), was) != was or (_named(was) not in there and was.has_words):
        return permit.refused(Action.CONTACTS_CHANGED, subject, _CHANGED)
    if _named(contact) != _named(was) and _named(contact) in there:
        twice = f"There is a contact for {contact.part}, {contact.role} already."
        unfit = Refusal(ErrorCode.QUOTE_VALIDATION_FAILED, twice)
        return permit.refused(Action.CONTACTS_CHANGED, subject, unfit)
    # In the place where the other one stood.
    changed = {
        (_named(contact) if name == _named(was) else name): each for name, each in there.items()
    }
    changed[_named(contact)] = contact
    return _put_down(permit, environment, [each for each in changed.values() if each.has_words])


def _one_after_the_other(session: Session) -> None:
    """Two who change contacts at once would each write the other's change away."""
    session.execute(text("SELECT pg_advisory_xact_lock(hashtext('saveguard.readiness.contacts'))"))


def _put_down(permit: Permit, environment: str, contacts: Sequence[Contact]) -> UUID | Refusal:
    subject = Subject("environment", environment)
    why = next(_unfit(contacts), None)
    if why is not None:
        unfit = Refusal(ErrorCode.QUOTE_VALIDATION_FAILED, why)
        return permit.refused(Action.CONTACTS_CHANGED, subject, unfit)
    record = put_down(
        permit.session,
        permit.clock,
        permit.actor,
        RecordKind.CONTACTS,
        _subject_id(environment),
        {"environment": environment, "contacts": [asdict(each) for each in contacts]},
    )
    # Who they are stands in the record, not in the trail.
    permit.done(Action.CONTACTS_CHANGED, subject, {"contacts": len(contacts)})
    return record.id


def read_contacts(tables: Iterable[Any]) -> tuple[Contact, ...]:
    """Contacts from tables of a file.

    Raises:
        ValueError: one has a field that there is not, or lacks its part or role.
    """
    try:
        return tuple(
            Contact(**{name: str(value) for name, value in table.items()}) for table in tables
        )
    except (TypeError, AttributeError) as error:
        raise ValueError(
            f"a contact has part, role, name, phone, email, address: {error}"
        ) from None


def _unfit(contacts: Sequence[Contact]) -> Iterator[str]:
    seen = set()
    for each in contacts:
        named = _named(each)
        if each.part not in PARTS or not each.role.strip():
            yield f"A contact is of {', '.join(PARTS)}, and has a role."
        if named in seen:
            yield f"There are two contacts for {each.part}, {each.role}."
        seen.add(named)
        for value in asdict(each).values():
            if len(value) > _WORDS_MAX or not value.isprintable():
                yield f"A contact's words are printable, {_WORDS_MAX} characters at most."


def _fault(name: str, value: str) -> str:
    written = value.strip()
    if not written:
        return f"The {name} is empty"
    if _PLACEHOLDER.fullmatch(written):
        return f"The {name} is a placeholder: {written}"
    if _NOWHERE.search(written):
        return f"The {name} is an example, and leads nowhere: {written}"
    return ""


def _named(contact: Contact) -> tuple[str, str]:
    """What a contact is for; there is one of each."""
    return contact.part, contact.role.casefold()


def _subject_id(environment: str) -> UUID:
    return uuid5(_OF_ENVIRONMENTS, environment)
