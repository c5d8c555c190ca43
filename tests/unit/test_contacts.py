"""Contacts: what is empty, a placeholder or an example is red, and says why."""

from __future__ import annotations

from typing import Any

import pytest

from engine.readiness.contacts import WANTED, Contact, Roster, fault_of, read_contacts

ADA = {
    "part": "on-call",
    "role": "primary",
    "name": "Ada Lovelace",
    "phone": "+351 210 000 000",
    "email": "ada@agency.pt",
}


def test_somebody_with_a_name_a_phone_and_an_address_is_good() -> None:
    assert fault_of(Contact(**ADA)) == ""


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": "[Name]"}, "The name is a placeholder: [Name]"),
        ({"name": "  "}, "The name is empty"),
        ({"name": "TBD"}, "The name is a placeholder: TBD"),
        ({"phone": "[Phone]"}, "The phone is a placeholder: [Phone]"),
        ({"phone": "call me"}, "The phone has no number"),
        ({"email": "ada@example.com"}, "The email is an example, and leads nowhere"),
        ({"email": "ada@mail.example.org"}, "The email is an example, and leads nowhere"),
        ({"email": "ada@people.example"}, "The email is an example, and leads nowhere"),
        ({"email": "ada"}, "The email is no address"),
    ],
    ids=lambda each: each if isinstance(each, str) else "-".join(each.values()),
)
def test_who_cannot_be_reached_is_red_with_the_reason(changes: Any, words: str) -> None:
    assert fault_of(Contact(**ADA | changes)).startswith(words)


@pytest.mark.parametrize(
    ("address", "is_good"),
    [
        ("https://t.me/agency", True),
        ("#save-alerts", True),
        ("https://hooks.example.com/save", False),
        ("http://localhost:8080/", False),
        ("[URL]", False),
        ("", False),
    ],
)
def test_a_channel_leads_somewhere(address: str, *, is_good: bool) -> None:
    assert (fault_of(Contact("channel", "webhook", address=address)) == "") is is_good


def test_every_contact_that_the_checklist_asks_for_is_red_until_it_is_there() -> None:
    nobody = Roster("production", ()).judged()
    one = Roster("production", (Contact(**ADA | {"role": "Primary"}),)).judged()

    assert [(each.contact.part, each.contact.role) for each in nobody] == list(WANTED)
    assert not any(each.is_good for each in nobody)
    assert [each.is_good for each in one] == [True] + [False] * (len(WANTED) - 1)


def test_a_table_with_a_field_that_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match="part, role, name"):
        read_contacts([{"part": "on-call", "role": "primary", "pager": "1"}])
