"""The page of a quote as a viewer gets it, beside a plain reading of the tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final, cast
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import dict_row
from streamlit.testing.v1 import AppTest

from dashboard import quote_address, quote_reads
from engine.attempts import of_quote
from engine.clock import FrozenClock
from engine.integrity.rules import RULES
from engine.quotes.lifecycle import Operation
from engine.runtime import Runtime
from tests.dashboard.test_overview import cut_off
from tests.support import Agency, new_agency

_HISTORY: Final = "History, newest first"
_WRONG_PRICES: Final = "Prices, stored and recomputed"
_FIELDS: Final = "Fields that differ"
_ITEMS: Final = "Items that differ"
_RULES: Final = "Integrity rules of this quote"
_MAIL: Final = "ines@example.org"
_NOTE: Final = f"call Inês at {_MAIL}"
# Nothing that is stored may be read as anything: markup of every kind that a page might know.
_HOSTILE: Final = (
    "<script>alert(1)</script><img src=x onerror=alert(2)> [a](https://evil.example)"
    " ![b](https://evil.example/p.png) **bold** $x$ :red[y] `z` \u202egnp.exe"
)


_SPOIL_QUOTE: Final = """
    UPDATE quote
    SET quote_number = %(text)s, pricing_policy = %(text)s, status = %(text)s,
        currency = %(text)s, last_modified_by = %(text)s
"""
_SPOIL_REVISION: Final = """
    UPDATE quote_revision
    SET modified_by = %(text)s, correlation_id = %(text)s, changed_fields = %(text)s,
        snapshot = snapshot || jsonb_build_object(
            'pricing_policy', %(text)s::text, 'currency', %(text)s::text,
            'status', %(text)s::text, 'quote_number', %(text)s::text
        )
    WHERE version = 2
"""
_SPOIL_ATTEMPTS: Final = "UPDATE attempt SET correlation_id = %(text)s"


@pytest.fixture
def agency(engine: Runtime) -> Agency:
    return new_agency(engine)


@pytest.fixture
def superuser(engine: Runtime, server: str) -> Iterator[psycopg.Connection[Any]]:
    """For reading plainly, and for doing what no save can do."""
    name = conninfo_to_dict(engine.target.owner)["dbname"]
    with psycopg.connect(
        make_conninfo(server, dbname=name), autocommit=True, row_factory=dict_row
    ) as connection:
        yield cast("psycopg.Connection[Any]", connection)


def wait(engine: Runtime, seconds: float = 10) -> None:
    cast("FrozenClock", engine.clock).advance(timedelta(seconds=seconds))


@pytest.fixture
def story(agency: Agency, engine: Runtime) -> UUID:
    """A quote that was changed twice, sent and accepted, and refused three times in between."""
    saves: list[tuple[Operation, dict[str, Any], int]] = [
        (Operation.UPDATE, {"version": 1, "fees": 40, "agentNotes": _NOTE}, 200),
        (Operation.UPDATE, {"version": 1, "fees": 41}, 409),
        (
            Operation.UPDATE,
            {
                "version": 2,
                "tripName": "Lisbon and Porto",
                "hotels": [
                    {
                        "name": "Hotel da Baixa",
                        "checkIn": "2026-06-05",
                        "checkOut": "2026-06-06",
                        "price": 90,
                    },
                    {
                        "name": "Hotel do Chiado",
                        "checkIn": "2026-06-01",
                        "checkOut": "2026-06-06",
                        "nights": 5,
                        "price": 200,
                        "priceType": "per_night",
                    },
                ],
            },
            200,
        ),
        (Operation.UPDATE, {"version": 3, "adults": 0}, 400),
        (Operation.SEND, {"version": 3, "channel": "email", "to": _MAIL, "subject": "x"}, 200),
        (Operation.UPDATE, {"version": 4, "fees": 1}, 409),
        (Operation.ACCEPT, {"version": 4}, 200),
    ]  # fmt: skip
    quote_id = agency.create(clientId=str(agency.client_id))
    for operation, body, status in saves:
        wait(engine)
        result = agency.save(operation, quote_id, body)
        assert result.http_status == status, result.body()
    wait(engine)
    return quote_id


def opened(page: AppTest, **said: object) -> AppTest:
    """The page at an address; nothing on it may have broken."""
    page.switch_page("../pages/quote.py")
    for name, value in said.items():
        page.query_params[name] = str(value)
    return again(page)


def again(page: AppTest) -> AppTest:
    page.run()
    assert not page.exception
    return page


def of(agency: Agency, quote_id: UUID) -> dict[str, object]:
    return {"agent": agency.agent_id, "quote": quote_id}


def table(page: AppTest, alt: str) -> list[dict[str, Any]]:
    """A table's rows; none where it is not on the page."""
    found = [each for each in page.dataframe if each.proto.alt == alt]
    rows = cast("list[dict[str, Any]]", found[0].value.to_dict("records") if found else [])
    # A list in a cell comes back as an array.
    return [
        {name: each.tolist() if hasattr(each, "tolist") else each for name, each in row.items()}
        for row in rows
    ]


def made(page: AppTest) -> list[dict[str, Any]]:
    """The rows of the history that are versions, their numbers as such."""
    rows = [each for each in table(page, _HISTORY) if each["Version"]]
    return [each | {"Version": int(each["Version"])} for each in rows]


def refused(page: AppTest) -> list[dict[str, Any]]:
    """Those that are attempts which made no version."""
    return [each for each in table(page, _HISTORY) if each["Outcome"] and not each["Version"]]


def interpreted(page: AppTest) -> str:
    """Everything that is read as Markdown."""
    elements = [
        *page.title, *page.header, *page.subheader, *page.caption, *page.markdown, *page.error,
        *page.warning, *page.info, *page.success,
    ]  # fmt: skip
    numbers = [f"{each.label} {each.value}" for each in page.metric]
    return "\n".join([*(each.value for each in elements), *numbers])


def cells(rows: Sequence[Mapping[Any, Any]]) -> str:
    """What stands in a table."""
    return "\n".join(str(each) for row in rows for each in row.values())


def everything(page: AppTest) -> str:
    """Every text on the page, cells of tables among them."""
    tables = [cells(each.value.to_dict("records")) for each in page.dataframe]
    plain = [each.value for each in (*page.text, *page.code)]
    return "\n".join([interpreted(page), *tables, *plain])


def said(page: AppTest) -> dict[str, str]:
    found: dict[str, str | list[str]] = dict(page.query_params)
    return {name: each if isinstance(each, str) else each[-1] for name, each in found.items()}


def instant(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S.%f}"[:-3]


# --- what is shown --------------------------------------------------------------------------------


def test_versions_are_those_of_the_history_with_who_when_and_by_which_request(
    page: AppTest, agency: Agency, superuser: psycopg.Connection[Any], story: UUID
) -> None:
    plainly = superuser.execute(
        """
        SELECT r.version, r.modified_at, r.snapshot ->> 'total' AS total, a.correlation_id
        FROM quote_revision r JOIN attempt a ON a.id = r.attempt_id
        WHERE r.quote_id = %s ORDER BY r.version DESC
        """,
        [story],
    ).fetchall()

    opened(page, **of(agency, story))

    shown = made(page)
    assert [
        (row["Version"], row["When, UTC"], row["Correlation id"], row["By"], row["Total"])
        for row in shown
    ] == [
        (
            each["version"],
            instant(each["modified_at"]),
            each["correlation_id"],
            f"account {agency.account_id}",
            f"{Decimal(each['total']):,f} USD",
        )
        for each in plainly
    ]
    assert [row["Version"] for row in shown] == [5, 4, 3, 2, 1]
    assert {row["Recomputed"] == row["Total"] for row in shown} == {True}
    assert {tuple(row["Price"]) for row in shown} == {("follows",)}
    assert all(row["Attempt"].startswith("committed") for row in shown)
    assert [row["What changed"] for row in shown] == [
        "Accepted: status SENT → ACCEPTED.",
        "Sent: status DRAFT → SENT.",
        # 900 + 1000 + 90 + 80 + 120, 12 % of that, 98 of product markup, 110.50 of taxes and so on.
        (
            "Updated: hotels: 1 added, 1 changed; total 2,448.50 USD → 2,661.30 USD;"
            " trip name changed."
        ),
        "Updated: fees 35.00 → 40.00; total 2,443.50 USD → 2,448.50 USD; agent notes changed.",
        "Created: 1 flight, 1 hotel, 1 activity, 1 transfer, 2,443.50 USD in all.",
    ]
    assert {metric.label: metric.value for metric in page.metric} == {
        "Status": "ACCEPTED",
        "Version": "5",
        "Total": "2,661.30 USD",
        "Per person": "1,330.65 USD",
    }


def test_attempts_that_made_no_version_stand_between_those_that_did(
    page: AppTest, agency: Agency, story: UUID
) -> None:
    plainly = [row for row in agency.attempts()[::-1] if row["outcome"] != "committed"]

    opened(page, **of(agency, story))

    shown = refused(page)
    assert [
        (row["When, UTC"], row["Outcome"], row["Code"], row["Correlation id"]) for row in shown
    ] == [
        (instant(row["started_at"]), [row["outcome"]], row["error_code"], row["correlation_id"])
        for row in plainly
    ]
    assert [row["What changed"] for row in shown] == [
        "No version: from version 4, the quote was at 4; HTTP 409",
        "No version: from version 3, the quote was at 3; HTTP 400",
        "No version: from version 1, the quote was at 2; HTTP 409",
    ]
    assert [row["Version"] or row["Code"] for row in table(page, _HISTORY)] == [
        "5",
        "QUOTE_ALREADY_SENT",
        "4",
        "QUOTE_VALIDATION_FAILED",
        "3",
        "QUOTE_CONFLICT_VERSION",
        "2",
        "1",
    ]
    instants = [row["When, UTC"] for row in table(page, _HISTORY)]
    assert instants == sorted(instants, reverse=True)


def test_all_rules_of_the_quote_hold_and_the_others_say_why_they_are_not_asked(
    page: AppTest, agency: Agency, story: UUID
) -> None:
    opened(page, **of(agency, story))

    shown = {row["Rule"]: row for row in table(page, _RULES)}
    assert list(shown) == list(RULES)
    assert {id_ for id_, row in shown.items() if row["Verdict"] != ["holds"]} == {"DI-14"}
    assert shown["DI-14"]["Verdict"] == ["not of one quote"]
    assert "all quotes of the agent" in shown["DI-14"]["Not looked at"]
    assert "15 rules checked, none broken" in interpreted(page)


def test_the_two_versions_of_the_address_are_compared_field_by_field(
    page: AppTest, agency: Agency, story: UUID
) -> None:
    opened(page, **of(agency, story), older=1, newer=3)

    fields = {row["Field"]: row for row in table(page, _FIELDS)}
    assert (fields["Fees"]["Older"], fields["Fees"]["Newer"]) == ("35.00 USD", "40.00 USD")
    assert fields["Fees"]["Difference"] == "+5.00"
    assert fields["Trip name"]["Newer"] == "Lisbon and Porto"
    assert fields["Total"]["Difference"] == "+217.80"
    assert "Destination" not in fields
    assert fields["Agent notes"]["Newer"] == "29 characters, not shown"
    items = table(page, _ITEMS)
    assert [
        (row["List"], row["Item"], row["Place"], row["What became of it"], row["Field"])
        for row in items
    ] == [
        ("Hotels", "Hotel da Baixa", "→ 1", "added", "whole item"),
        ("Hotels", "Hotel do Chiado", "1 → 2", "changed", "Price"),
    ]
    assert (items[1]["Older"], items[1]["Newer"]) == ("180.00", "200.00")
    assert [each.value[:16] for each in page.text if "version" in each.value] == [
        "Older: version 1",
        "Newer: version 3",
    ]


def test_what_did_not_change_is_shown_when_asked_for_and_the_address_says_so(
    page: AppTest, agency: Agency, story: UUID
) -> None:
    opened(page, **of(agency, story), older=1, newer=2)
    before = {row["Field"] for row in table(page, _FIELDS)}

    page.toggle(key="quote_all_shown").set_value(True)
    again(page)

    after = {row["Field"]: row for row in table(page, _FIELDS)}
    assert before < after.keys()
    assert after["Destination"]["Difference"] == ""
    assert {row["What became of it"] for row in table(page, _ITEMS)} == {"unchanged"}
    assert said(page)["unchanged"] == "shown"


def test_other_versions_are_chosen_on_the_page_and_stand_in_the_address(
    page: AppTest, agency: Agency, story: UUID
) -> None:
    opened(page, **of(agency, story))
    newest = {row["Field"] for row in table(page, _FIELDS)}

    page.number_input(key="quote_older").set_value(2)
    again(page)

    assert newest == {"Status", "Accepted at"}
    assert {"Trip name", "Status", "Sent at"} < {row["Field"] for row in table(page, _FIELDS)}
    assert (said(page)["older"], said(page)["newer"]) == ("2", "5")


def test_a_versions_link_compares_it_with_the_one_before(
    page: AppTest, agency: Agency, story: UUID
) -> None:
    opened(page, **of(agency, story))

    links = [row["Open"] for row in made(page)]

    asked = [quote_address.read(dict(parse_qsl(urlsplit(link).query))) for link in links[:-1]]
    assert [(each.older, each.newer) for each in asked] == [(4, 5), (3, 4), (2, 3), (1, 2)]
    assert {(each.agent_id, each.quote_id) for each in asked} == {(agency.agent_id, story)}
    assert links[-1] == ""


def test_versions_are_paged_and_the_oldest_of_a_page_is_compared_as_well(
    page: AppTest,
    agency: Agency,
    story: UUID,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(quote_reads, "VERSIONS", 2)
    opened(page, **of(agency, story))
    first = made(page)

    page.button(key="versions_older").click()
    second = made(again(page))
    page.button(key="versions_older").click()
    third = made(again(page))

    assert [[row["Version"] for row in each] for each in (first, second, third)] == [
        [5, 4],
        [3, 2],
        [1],
    ]
    assert first[1]["What changed"] == "Sent: status DRAFT → SENT."
    assert second[1]["What changed"].startswith("Updated: fees 35.00 → 40.00")
    assert page.button(key="versions_older").disabled


def crowd(engine: Runtime, agency: Agency, quote_id: UUID, number: int) -> list[str]:
    """That many refused attempts on a quote, right now; their correlation ids, newest first."""
    ids = []
    for _ in range(number):
        wait(engine, 0.001)
        result = agency.save(Operation.UPDATE, quote_id, {"version": 1, "fees": 1})
        assert result.http_status == 409
        ids.append(result.correlation_id)
    return ids[::-1]


def test_of_many_attempts_between_two_versions_the_newest_are_listed_and_all_a_link_away(
    page: AppTest,
    agency: Agency,
    engine: Runtime,
    story: UUID,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(of_quote, "PAGE", 5)
    ids = crowd(engine, agency, story, 12)
    opened(page, **of(agency, story))
    rows = table(page, _HISTORY)
    captions = interpreted(page)
    (link,) = [each["Open"] for each in rows if not each["Outcome"]]

    page.query_params.clear()
    opened(page, **dict(parse_qsl(urlsplit(link).query)))
    listed = [each["Correlation id"] for each in refused(page)]
    while not page.button(key="attempts_older").disabled:
        page.button(key="attempts_older").click()
        again(page)
        listed += [each["Correlation id"] for each in refused(page)]
    told = interpreted(page)
    page.button(key="whole_history").click()
    again(page)

    assert [each["Correlation id"] for each in rows[:3]] == ids[:3]
    assert rows[3]["What changed"] == "9 more that made no version, not listed here"
    assert rows[4]["Version"] == "5"
    assert "Of 15 attempts that made no version 6 are listed" in captions
    assert listed == ids
    assert "Attempts that made no version, since version 5" in told
    assert len(made(page)) == 5


def test_of_a_busy_agent_the_look_is_cut_short_said_and_gone_on_with(
    page: AppTest, agency: Agency, story: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(of_quote, "LOOK_MAX", 4)
    opened(page, **of(agency, story))
    rows, captions = table(page, _HISTORY), interpreted(page)
    seen = [row["Code"] for row in refused(page)]

    for row in rows:
        if not row["Outcome"]:
            page.query_params.clear()
            opened(page, **dict(parse_qsl(urlsplit(row["Open"]).query)))
            seen += [each["Code"] for each in refused(page)]

    assert "attempts of this agent, back to" in captions
    assert [row["Version"] or row["Code"] or row["What changed"] for row in rows] == [
        "5",
        "QUOTE_ALREADY_SENT",
        "4",
        "QUOTE_VALIDATION_FAILED",
        *["Not looked any further back for attempts that made no version", "3"],
        *["Not looked at for attempts that made no version", "2"],
        *["Not looked at for attempts that made no version", "1"],
        "Not looked at for attempts that made no version",
    ]
    # The one in the gap in which the look ended was listed on the page of all as well.
    assert sorted(seen) == [
        "QUOTE_ALREADY_SENT",
        "QUOTE_CONFLICT_VERSION",
        *["QUOTE_VALIDATION_FAILED"] * 2,
    ]


def test_the_viewers_own_clock_stands_beside_utc(
    page: AppTest, agency: Agency, story: UUID
) -> None:
    page.context["timezone"] = "Asia/Tokyo"

    opened(page, **of(agency, story))

    for row in table(page, _HISTORY):
        here, utc = (datetime.fromisoformat(row[f"When, {name}"]) for name in ("Asia/Tokyo", "UTC"))
        assert here - utc == timedelta(hours=9)


# --- faults ---------------------------------------------------------------------------------------


def test_a_price_that_its_items_do_not_give_is_said_in_red_with_both_amounts(
    page: AppTest, agency: Agency, superuser: psycopg.Connection[Any], story: UUID
) -> None:
    superuser.execute(
        """
        UPDATE quote_revision SET snapshot = snapshot || '{"total": 2400.00}'
        WHERE quote_id = %s AND version = 2
        """,
        [story],
    )
    superuser.execute("UPDATE quote SET per_person = per_person + 1 WHERE id = %s", [story])

    opened(page, **of(agency, story))

    shown = {row["Version"]: row for row in made(page)}
    assert shown[2]["Price"] == ["DIFFERS"]
    assert (shown[2]["Total"], shown[2]["Recomputed"]) == ("2,400.00 USD", "2,448.50 USD")
    assert shown[3]["Price"] == ["follows"]
    assert any("does not follow" in each.value and "version 2" in each.value for each in page.error)
    assert {
        (row["Version"], row["Component"], row["Stored"], row["Recomputed"])
        for row in table(page, _WRONG_PRICES)
    } == {(2, "Total", "2,400.00 USD", "2,448.50 USD")}
    verdicts = {row["Rule"]: row["Verdict"] for row in table(page, _RULES)}
    assert {id_ for id_, verdict in verdicts.items() if verdict == ["BROKEN"]} == {
        "DI-2",
        "DI-5",
        "DI-6",
    }
    assert any(each.value.startswith("DI-6: the stored price does not") for each in page.text)


def test_a_gap_in_the_history_and_a_snapshot_that_is_none_are_shown_as_such(
    page: AppTest, agency: Agency, superuser: psycopg.Connection[Any], story: UUID
) -> None:
    superuser.execute("DELETE FROM quote_revision WHERE quote_id = %s AND version = 2", [story])
    superuser.execute(
        "UPDATE quote_revision SET snapshot = '[1]' WHERE quote_id = %s AND version = 4", [story]
    )

    opened(page, **of(agency, story), older=2, newer=4)

    shown = {row["Version"]: row for row in made(page)}
    assert list(shown) == [5, 4, 3, 1]
    assert shown[4]["Price"] == ["unreadable"]
    assert "cannot be read" in shown[4]["What changed"]
    assert "not compared" in shown[5]["What changed"]
    assert "no readable versions 2 and 4" in page.warning[0].value
    verdicts = {row["Rule"]: row["Verdict"] for row in table(page, _RULES)}
    assert verdicts["DI-2"] == ["BROKEN"]


def test_a_deleted_quote_and_one_that_a_migration_found_have_a_page(
    page: AppTest, agency: Agency, superuser: psycopg.Connection[Any]
) -> None:
    quote_id = agency.create()
    agency.save(Operation.DELETE, quote_id)
    superuser.execute(
        """
        UPDATE quote_revision
        SET attempt_id = NULL, attempt_started_at = NULL, correlation_id = NULL,
            modified_by = 'maria.silva@agency.example'
        WHERE quote_id = %s AND version = 1
        """,
        [quote_id],
    )

    opened(page, **of(agency, quote_id))

    assert page.metric[0].value == "CANCELLED"
    deleted, found = made(page)
    assert deleted["What changed"] == "Deleted: status DRAFT → CANCELLED."
    assert found["What changed"].startswith("Found by a migration: 1 flight")
    assert found["Attempt"] == "none: found by a migration"
    assert "maria" not in everything(page)


# --- addresses ------------------------------------------------------------------------------------


def test_a_quotes_id_alone_leads_to_its_page(page: AppTest, agency: Agency, story: UUID) -> None:
    opened(page, quote=story)

    assert len(made(page)) == 5
    assert all(f"agent={agency.agent_id}" in row["Open"] for row in made(page)[:-1])


@pytest.mark.usefixtures("story")
@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ({}, "This page shows one quote."),
        ({"quote": "<b>x</b>"}, "left out: quote (a UUID)."),
        ({"quote": "6ba7b810-9dad-11d1-80b4-00c04fd430c8"}, "Add agent=… to the address."),
        ({"quote": "STORY", "agent": "nobody"}, "left out: agent (a UUID)."),
        ({"quote": "STORY", "agent": "STORY"}, "This agent has no quote with this id."),
        ({"quote": "STORY", "older": "0"}, "left out: older (a version's number)."),
        ({"quote": "STORY", "newer": "6"}, "The address names version 6; the newest is 5."),
        ({"quote": "STORY", "attempts_before": "**x**"}, "left out: attempts_before."),
        ({"quote": "STORY", "between": "2-3"}, "left out: between."),
        ({"quote": "STORY", "unchanged": "<i>"}, "left out: unchanged."),
    ],
)
def test_an_address_that_leads_nowhere_is_answered_with_a_sentence(
    page: AppTest, story: UUID, address: dict[str, str], sentence: str
) -> None:
    opened(
        page, **{name: str(story) if each == "STORY" else each for name, each in address.items()}
    )

    assert sentence in interpreted(page)
    assert "<b>" not in interpreted(page)


def test_another_agents_quote_is_not_there(page: AppTest, engine: Runtime, story: UUID) -> None:
    other = new_agency(engine)

    opened(page, agent=other.agent_id, quote=story)

    assert "This agent has no quote with this id." in interpreted(page)
    assert not page.dataframe


def test_while_the_database_is_away_the_page_says_so(
    page: AppTest, engine: Runtime, agency: Agency, story: UUID
) -> None:
    cut_off(engine)

    opened(page, **of(agency, story))

    assert "The quote could not be read: the database has not" in page.error[0].value


# --- what nobody should read, and nobody should run -----------------------------------------------


def test_nothing_of_the_client_but_the_id_is_on_the_page(
    page: AppTest, agency: Agency, story: UUID
) -> None:
    opened(page, **of(agency, story), older=1, newer=5, unchanged="shown")

    told = everything(page)
    assert str(agency.client_id) in told
    for private in ("Inês", "Moreira", "ines@", "@example.org", "@agency.example"):
        assert private not in told


def test_hostile_text_in_every_stored_field_is_only_text(
    page: AppTest, agency: Agency, superuser: psycopg.Connection[Any]
) -> None:
    item = {"price": 1, "name": _HOSTILE, "description": _HOSTILE}
    stay = {"checkIn": "2026-06-01", "checkOut": "2026-06-06"}
    quote_id = agency.create()
    words = {
        "tripName": _HOSTILE,
        "destination": _HOSTILE,
        "commissionLabel": _HOSTILE,
        "inclusions": [_HOSTILE],
        "exclusions": [_HOSTILE],
        "importantInfo": _HOSTILE,
        "customNotes": _HOSTILE,
        "agentNotes": _HOSTILE,
        "customItems": [item],
        "hotels": [{"price": 2, "name": _HOSTILE, "roomType": _HOSTILE, **stay}],
        "insurance": item,
    }
    assert agency.update(quote_id, 1, **words).http_status == 200
    agency.update(quote_id, 1, fees=3)
    superuser.execute("ALTER TABLE quote DROP CONSTRAINT quote_is_sound")
    for statement in (_SPOIL_QUOTE, _SPOIL_REVISION, _SPOIL_ATTEMPTS):
        superuser.execute(statement, {"text": _HOSTILE})

    opened(page, **of(agency, quote_id), older=1, newer=2, unchanged="shown")

    for part in ("<script>", "evil.example", "**bold**", ":red[", "\u202e"):
        assert part not in interpreted(page)
    assert "<script>" in everything(page)
    assert "\u202e" not in everything(page)
    assert {row["Version"] for row in table(page, _WRONG_PRICES)} == {2}
