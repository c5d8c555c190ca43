"""The files for a ticket: the whole story, nothing of a person, no instruction in stored text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

import psycopg
import pytest
from markdown_it import MarkdownIt

from dashboard import lookup_export
from dashboard.lookup_address import shared
from engine.attempts import ledger, story
from engine.attempts.lookup import AttemptKey
from engine.attempts.outcome import Outcome
from engine.attempts.story import Story
from engine.quotes.lifecycle import Operation
from engine.runtime import Runtime
from tests.dashboard.attempts import attempt
from tests.dashboard.test_lookup_page import HOSTILE
from tests.support import Agency, new_agency, quote_body

LINK: Final = "https://ops.example/lookup?correlation_id=x"
KEY: Final = "ines.moreira@example.org"


@pytest.fixture
def agency(engine: Runtime) -> Agency:
    return new_agency(engine)


@pytest.fixture
def told(agency: Agency) -> Iterator[Story]:
    """A save of a client's quote under a key that is an e-mail."""
    body = quote_body(clientId=str(agency.client_id), tripName="Honeymoon of Inês")
    for _ in range(2):
        agency.save(Operation.CREATE, body=body, idempotency_key=KEY)
    with psycopg.connect(agency.runtime.target.app, autocommit=True) as connection:
        yield story.tell(connection, agency.attempts()[-1])


def test_both_files_tell_the_same_story(told: Story) -> None:
    as_json = json.loads(lookup_export.as_json(told, LINK))
    as_markdown = lookup_export.as_markdown(told, LINK)

    assert as_json["sentence"] == told.sentence
    assert as_json["link"] == LINK
    assert as_json["attempt"]["id"] == str(told.row["id"])
    assert as_json["attempt"]["outcome"] == "replayed"
    assert as_json["attempt"]["started_at"] == told.row["started_at"].isoformat()
    assert [each["what"] for each in as_json["steps"]] == [each.what for each in told.steps]
    (first,) = as_json["with_the_same_idempotency_key"]
    assert first["correlation_id"] in told.sentence
    for text in (LINK, str(told.row["id"]), first["id"], "With the same idempotency key"):
        assert text in as_markdown


def test_neither_file_has_anything_of_a_person(told: Story) -> None:
    for file in (lookup_export.as_json(told, LINK), lookup_export.as_markdown(told, LINK)):
        for private in (KEY, "Inês", "In\\u00eas", "Moreira", "Honeymoon", "example.org", "Lisbon"):
            assert private not in file
        assert told.row["payload_hash"].hex() not in file


@pytest.mark.parametrize("evil", HOSTILE)
def test_stored_text_is_no_instruction_in_a_ticket(agency: Agency, evil: str) -> None:
    agency.create()
    row = attempt(
        agent_id=agency.agent_id, correlation_id=evil, traceparent=evil, changed_fields=evil,
        outcome=Outcome.REJECTED.value, error_code=1,
    )  # fmt: skip
    with psycopg.connect(agency.runtime.target.app, autocommit=True) as connection:
        ledger.insert(connection, row)
        found = story.read(connection, AttemptKey(row.agent_id, row.started_at, row.id))
    assert found is not None

    file = lookup_export.as_markdown(found, LINK)
    parsed = MarkdownIt("gfm-like", {"linkify": False}).parse(file)

    assert all(line.isprintable() for line in file.splitlines())
    kinds = {each.type for token in parsed for each in (token, *(token.children or ()))}
    assert (
        kinds & {"image", "html_inline", "html_block", "code_inline", "em_open", "s_open"} == set()
    )
    links = [
        each.attrs["href"]
        for token in parsed
        for each in token.children or ()
        if each.type == "link_open"
    ]
    assert links == [LINK]
    assert not re.search(r"(?<!\\):(?=//evil)|(?<!\\)www\.", file)
    assert json.loads(lookup_export.as_json(found, LINK))["attempt"]["correlation_id"] == evil


def test_a_link_is_to_where_the_viewer_is() -> None:
    attempt_id = attempt().id

    seen = shared("https://ops.example:8443/base/lookup", "a b&c", attempt_id)

    assert (
        seen == f"https://ops.example:8443/base/lookup?correlation_id=a+b%26c&attempt={attempt_id}"
    )
    assert shared(None, "x", attempt_id).startswith("/lookup?correlation_id=x&")


def test_a_files_name_holds_nothing_that_a_caller_sent(told: Story) -> None:
    assert re.fullmatch(r"attempt-\d{8}T\d{6}Z-[0-9a-f-]{36}\.md", _name(told))


def _name(told: Any) -> str:
    return lookup_export.file_name(told, "md")
