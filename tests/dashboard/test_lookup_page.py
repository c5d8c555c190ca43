"""The lookup page as a viewer gets it: from an address to the story of an attempt."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest
from streamlit.testing.v1 import AppTest

from dashboard import lookup_address, lookup_panels, lookup_view, runbook
from engine.attempts import lookup
from engine.attempts.lookup import Certainty, Found, Hit, Kind
from engine.attempts.outcome import Outcome
from engine.attempts.words import printable
from engine.correlation import make_correlation_id
from engine.errors import TAXONOMY, ErrorCode
from engine.quotes.lifecycle import Operation
from engine.runtime import Runtime
from tests.dashboard.attempts import AGENT, CLOCK, START, add, attempt
from tests.dashboard.conftest import APP, plain_texts
from tests.support import new_agency, quote_body

_OURS: Final = make_correlation_id(CLOCK.uuid7())
HOSTILE: Final = (
    "<img src=x onerror=alert(1)>",
    "[click](https://evil.example) ![seen](https://evil.example/x.png)",
    "<b>bold</b><extra></extra> %{x} :red[red] :material/bug_report: $x^2$",
    "a\u202egnihton\u202c\x1b[31m\nsecond line\u2066",
    "| a | b |\n|---|---|\n# title `code` ~~no~~ www.evil.example",
)


def opened(page: AppTest, /, **said: str) -> AppTest:
    """The page at an address; nothing on it may have broken."""
    page.switch_page("../pages/lookup.py")
    for name, value in said.items():
        page.query_params[name] = value
    return again(page)


def again(page: AppTest) -> AppTest:
    page.run()
    assert not page.exception
    return page


def markdown(page: AppTest) -> str:
    """All that is read as Markdown."""
    elements = [
        *page.title, *page.header, *page.caption, *page.markdown, *page.error, *page.warning,
        *page.info,
    ]  # fmt: skip
    return "\n".join(element.value for element in elements)


def table(page: AppTest, name: str) -> list[dict[str, Any]]:
    """The rows of a table; none if it is not there."""
    found = [each.value for each in page.dataframe if each.proto.alt == name]
    return [dict(each) for _, each in found[0].iterrows()] if found else []


def said(page: AppTest) -> dict[str, str]:
    found: dict[str, str | list[str]] = dict(page.query_params)
    return {name: each if isinstance(each, str) else each[-1] for name, each in found.items()}


@pytest.mark.usefixtures("engine")
def test_an_empty_box_says_what_can_be_put_in(page: AppTest) -> None:
    opened(page)

    assert "A correlation id, or whatever has one in it" in markdown(page)
    assert not plain_texts(page)
    assert not page.dataframe


def test_an_id_leads_to_sentence_badges_facts_and_steps(page: AppTest, engine: Runtime) -> None:
    agency = new_agency(engine)
    quote_id = agency.create()
    agency.update(quote_id, 1, taxes=1)
    agency.update(quote_id, 1, taxes=2)
    _, winner, loser = agency.attempts()
    page.context["url"] = "https://ops.example:8443/lookup"

    opened(page, correlation_id=loser["correlation_id"])

    sentence, how = plain_texts(page)
    assert re.fullmatch(
        r"UPDATE of quote QT-\d{4}-\d{6} by agent …[0-9a-f]{8} was refused as a version conflict at"
        r" [-0-9]+ [:.0-9]+ UTC after [0-9.]+ ms \(from version 1, the quote was at 2\); nothing"
        r" was stored; reload before trying again; the winner was"
        rf" {winner['correlation_id']}, .+ earlier\.",
        sentence,
    )
    assert how.startswith("Exact: ")
    for badge in (
        ":orange-badge[Conflict]", ":orange-badge[Severity HIGH]", ":gray-badge[Nothing stored]",
        ":orange-badge[Reload before trying again]",
    ):  # fmt: skip
        assert badge in markdown(page)
    facts = {each["Fact"]: each["Value"] for each in table(page, "Facts of the attempt")}
    assert facts["attempt"] == str(loser["id"])
    assert facts["quote now"] == "DRAFT, version 2"
    assert [each["What"] for each in table(page, "What happened when")] == [
        "Received", "Checked and priced", "In the database", "Refused: conflict"
    ]  # fmt: skip
    on_quote = table(page, "On the same quote")
    assert [each["Where"] for each in on_quote] == ["before", "before, made the version it met"]
    assert on_quote[-1]["Correlation id"] == winner["correlation_id"]
    assert len(table(page, "By the same agent")) == 2
    assert TAXONOMY[ErrorCode.QUOTE_CONFLICT_VERSION].when in markdown(page)
    assert (runbook.section(ErrorCode.QUOTE_CONFLICT_VERSION) or "?") in markdown(page)
    said = f"correlation_id={loser['correlation_id']}&attempt={loser['id']}"
    assert [each.value for each in page.code] == [
        loser["correlation_id"],
        f"https://ops.example:8443/lookup?{said}",
    ]


def test_the_box_fills_the_address_and_the_address_the_box(
    page: AppTest, connection: psycopg.Connection[Any]
) -> None:
    add(connection, attempt(correlation_id="caller-made-1"), attempt(correlation_id="caller-two"))
    opened(page, correlation_id="caller-made-1")
    shown = page.text_input(key="lookup_text").value

    page.text_input(key="lookup_text").input("  caller-two ")
    again(page)

    assert shown == "caller-made-1"
    assert said(page) == {"q": "caller-two"}
    assert page.code[0].value == "caller-two"


def test_several_attempts_under_one_id_are_listed_and_each_can_be_told(
    page: AppTest, connection: psycopg.Connection[Any]
) -> None:
    step = timedelta(seconds=1)
    attempts = [
        attempt(START, ErrorCode.DATABASE_TIMEOUT, correlation_id="REQ-AGAIN"),
        attempt(START + step, correlation_id="REQ-AGAIN"),
        attempt(START + 2 * step, correlation_id="REQ-OTHER"),
    ]
    add(connection, *attempts)

    opened(page, correlation_id="REQ-AGAIN")
    listed = table(page, "Attempts that were found")
    newest = plain_texts(page)
    page.query_params["attempt"] = str(attempts[0].id)
    again(page)

    assert [each["Outcome"] for each in listed] == ["committed", "failed"]
    assert [each["Shown"] for each in listed] == ["yes", ""]
    assert "was committed" in newest[0]
    assert newest[1].endswith("One of 2 attempts.")
    assert "failed with DATABASE_TIMEOUT" in plain_texts(page)[0]
    assert [each["Shown"] for each in table(page, "Attempts that were found")] == ["", "yes"]


def test_a_click_on_a_row_puts_its_attempt_into_the_address(
    connection: psycopg.Connection[Any], page: AppTest
) -> None:
    """The grid is a canvas that only a browser can click; here its column is there."""
    add(connection, attempt(correlation_id="REQ-SHARED"), attempt(correlation_id="REQ-SHARED"))

    opened(page, correlation_id="REQ-SHARED")

    columns = [
        json.loads(each.proto.columns)[lookup_view.OPEN]
        for each in page.dataframe
        if lookup_view.OPEN in json.loads(each.proto.columns)
    ]
    assert len(columns) == 2  # those found, and those by the same agent
    assert callable(lookup_panels._open_candidate)
    assert all(each["type_config"]["type"] == "button" for each in columns)


def test_an_unknown_id_says_what_was_looked_for_and_what_to_try(
    page: AppTest, connection: psycopg.Connection[Any]
) -> None:
    add(connection, attempt())

    opened(page, correlation_id="REQ-NOBODY-KNOWS")

    assert plain_texts(page)[0] == "Nothing was found for “REQ-NOBODY-KNOWS”."
    for advice in lookup_view.WHAT_TO_TRY:
        assert advice in markdown(page)
    assert not page.dataframe


def test_a_story_leads_to_the_history_of_its_quote(page: AppTest, engine: Runtime) -> None:
    agency = new_agency(engine)
    quote_id = agency.create()
    (row,) = agency.attempts()

    opened(page, correlation_id=row["correlation_id"])

    (link,) = [each.proto for each in page.get("page_link") if "history" in each.proto.label]
    assert str(quote_id) in link.query_string


def test_of_a_long_text_all_is_looked_at_that_is_read_and_the_rest_is_said(
    page: AppTest, connection: psycopg.Connection[Any]
) -> None:
    add(connection, attempt(correlation_id=_OURS))
    absent = "QT-2026-000042, 6ba7b810-9dad-71d1-80b4-00c04fd430c8, nobody@example.org"
    pasted = f"{'trace ' * 1_000} {_OURS} {absent} {'end of it ' * 6_000}"
    opened(page)

    page.text_input(key="lookup_text").input(pasted)
    again(page)
    told, warned = plain_texts(page), [each.value for each in page.warning]
    fresh = AppTest.from_file(str(APP), default_timeout=30)
    opened(fresh, **said(page))

    assert page.code[0].value == _OURS
    used, unread = told[-2:]
    assert used == (
        "Not used: 6ba7b810-9dad-71d1-80b4-00c04fd430c8, QT-2026-000042, nobody@example.org."
        " Nothing in the database has it."
    )
    assert unread.startswith(f"Not read: the last {len(pasted.strip()) - 65_536:,} characters.")
    assert [each[:49] for each in warned] == ["The address holds the first 4,000 of 66,105 chara"]
    assert len(said(page)["q"]) <= 4_000
    # What the address does not hold is not there for anybody else.
    assert not fresh.code


@pytest.mark.parametrize(
    ("text", "why"),
    [
        pytest.param("ça va ?", "There is nothing to look for in it", id="nothing"),
        pytest.param(f"see {_OURS}", f"{_OURS} is spelled right and was made at", id="absent"),
        pytest.param("<b>QT-2026-1</b>", "Nothing that it may name is in the database", id="quote"),
    ],
)
@pytest.mark.usefixtures("engine")
def test_where_nothing_is_found_the_page_says_why(page: AppTest, text: str, why: str) -> None:
    opened(page, q=text)

    looked_for, reason = plain_texts(page)
    assert [each.proto.page for each in page.get("page_link")] == ["attempts"]
    assert text in looked_for
    assert reason.startswith(why)
    assert why not in markdown(page)


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize(
    ("parameters", "remark"),
    [
        (
            {"correlation_id": "REQ-1", "attempt": "here"},
            "names an attempt by something that is no id of one",
        ),
        ({"correlation_id": "REQ-1", "q": "other"}, "The address asks for two things"),
        ({"q": "x" * 5_000}, "Only the first 4,000 characters are looked at."),
        ({"attempt": "; drop table"}, "names an attempt by something that is no id of one"),
        ({"q": "a\0b"}, None),
        ({"q": "   "}, None),
        ({"correlation_id": "%", "attempt": str(AGENT)}, None),
    ],
    ids=["no id", "two things", "too long", "no text", "NUL", "blank", "no such id"],
)
def test_bad_parameters_are_named_and_break_nothing(
    page: AppTest, parameters: dict[str, str], remark: str | None
) -> None:
    opened(page, **parameters)

    warned = [each.value for each in page.warning]
    assert len(warned) == (remark is not None)
    assert remark is None or remark in warned[0]
    assert not page.error


def test_an_attempt_that_is_not_among_those_found_is_said_to_be_missing(
    page: AppTest, connection: psycopg.Connection[Any]
) -> None:
    add(connection, attempt(correlation_id="REQ-HERE"))

    opened(page, correlation_id="REQ-HERE", attempt=str(CLOCK.uuid7()))

    assert "not among those that were found" in page.warning[0].value
    assert "was committed" in plain_texts(page)[0]


@pytest.mark.parametrize("evil", HOSTILE)
def test_hostile_text_in_every_stored_field_stays_text(
    page: AppTest, engine: Runtime, evil: str
) -> None:
    agency = new_agency(engine)
    agency.save(Operation.CREATE, body=quote_body(), correlation_id=f"{evil} winner")
    quote_id = agency.attempts()[-1]["quote_id"]
    with psycopg.connect(engine.target.owner, autocommit=True) as owner:
        owner.execute("UPDATE quote SET quote_number = %s WHERE id = %s", [evil, quote_id])
        conflict = quote_id
        for code in (3, 1):
            row = attempt(
                START,
                agent_id=agency.agent_id,
                quote_id=quote_id,
                outcome=Outcome.CONFLICT.value if code == 3 else Outcome.REJECTED.value,
                error_code=code,
                expected_version=1,
                actual_version=1 if code == 3 else None,
                correlation_id=evil,
                idempotency_key=evil,
                traceparent=evil,
                changed_fields=evil,
                origin_id=7,
            )
            add(owner, row)
            conflict = row.id if code == 3 else conflict
        owner.execute("INSERT INTO origin VALUES (7, %s, %s, %s, now(), false)", [evil, evil, evil])

    opened(page, correlation_id=evil)

    read = markdown(page)
    for part in ("evil", "onerror", "<b>", "gnihton", "second line"):
        assert part not in read
    shown = [
        *plain_texts(page),
        *(each.value for each in page.code),
        *(str(cell) for each in page.dataframe for cell in each.value.to_numpy().flatten()),
    ]
    assert [each for each in shown if not each.isprintable()] == []
    assert f"of quote {printable(evil)} by" in plain_texts(page)[0]
    assert "was refused as" in plain_texts(page)[0]
    page.query_params["attempt"] = str(conflict)
    again(page)
    assert f"the winner was {printable(evil)} winner, " in plain_texts(page)[0]


def test_what_the_database_told_is_kept_while_it_is_away(
    page: AppTest, connection: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    add(connection, attempt(correlation_id="REQ-KEPT"))
    opened(page, correlation_id="REQ-KEPT")
    before = plain_texts(page)

    def fail(*_args: Any, **_more: Any) -> None:
        raise psycopg.OperationalError

    monkeypatch.setattr(lookup, "find", fail)
    monkeypatch.setattr("dashboard.memory._FRESH_S", -1.0)
    again(page)
    kept, told = plain_texts(page), page.error[0].value
    opened(page, correlation_id="REQ-NEVER-READ")

    assert kept == before
    assert told.startswith("Stale: the database has not answered since ")
    assert "What is below was read before that." in told
    assert "Nothing can be looked up until it does." in page.error[0].value
    assert not plain_texts(page)


def test_what_is_not_certain_says_so_before_it_is_told(
    page: AppTest, connection: psycopg.Connection[Any]
) -> None:
    add(connection, *(attempt(correlation_id=f"HALF-OF-MANY-{end}") for end in "AB"))

    opened(page, q="HALF-OF-MANY")

    how, sentence, *_ = plain_texts(page)
    assert how.startswith("HALF-OF-MANY-")
    assert how.endswith(", one of the ids that start so: HALF-OF-MANY… One of 2 attempts.")
    assert sentence.startswith("UPDATE of a quote by agent ")
    assert ":orange-badge[:material/help: A guess: it may be another attempt]" in markdown(page)


@pytest.mark.usefixtures("engine")
def test_what_is_certain_is_told_first_and_without_a_doubt(
    page: AppTest, connection: psycopg.Connection[Any]
) -> None:
    add(connection, attempt(correlation_id="REQ-CERTAIN"))

    opened(page, correlation_id="REQ-CERTAIN")

    assert plain_texts(page)[1] == "Exact: REQ-CERTAIN, correlation id."
    assert "material/help" not in markdown(page)


def test_guesses_stand_below_what_is_exact_with_their_reasons(
    page: AppTest, connection: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    sure, unsure = attempt(correlation_id="REQ-SURE"), attempt(correlation_id="REQ-UNSURE")
    add(connection, sure, unsure)

    def find(*_args: Any, **_more: Any) -> Found:
        def hit(certainty: Certainty, row: Any, reason: str) -> Hit:
            key = lookup.AttemptKey(row.agent_id, row.started_at, row.id)
            return Hit(
                Kind.CORRELATION_ID, certainty, reason, row.correlation_id, (key,), None, AGENT
            )

        quote = Hit(
            Kind.QUOTE_NUMBER, Certainty.LIKELY, "is a quote", "<b>QT", (), CLOCK.uuid7(), AGENT
        )
        return Found(
            (
                hit(Certainty.GUESS, unsure, "has one character *mistyped*"),
                quote,
                hit(Certainty.EXACT, sure, "is a correlation id"),
            ),
            "",
        )

    monkeypatch.setattr(lookup, "find", find)
    opened(page, q="something")

    listed = table(page, "Attempts that were found")
    assert [each["How sure"] for each in listed] == ["Exact", "A guess"]
    assert listed[1]["Why"] == "REQ-UNSURE, has one character *mistyped*"
    assert page.code[0].value == "REQ-SURE"
    assert [each["Why"] for each in table(page, "What else the text may mean")] == [
        "<b>QT, is a quote"
    ]
    assert "mistyped" not in markdown(page)


def test_what_ran_beside_it_on_its_quote_is_drawn(
    page: AppTest, connection: psycopg.Connection[Any]
) -> None:
    quote_id = CLOCK.uuid7()
    for number, outcome in enumerate((Outcome.COMMITTED, Outcome.CONFLICT)):
        add(
            connection,
            attempt(
                START + number * timedelta(milliseconds=4),
                None if outcome is Outcome.COMMITTED else ErrorCode.QUOTE_CONFLICT_VERSION,
                quote_id=quote_id,
                correlation_id="<b>first" if number == 0 else "REQ-SECOND",
                operation=Operation.UPDATE.value,
            ),
        )

    opened(page, correlation_id="REQ-SECOND")

    (chart,) = [json.loads(each.proto.json) for each in page.get("bidi_component")]
    (bars,) = json.loads(chart["figure"])["data"]
    assert bars["y"] == ["1. &lt;b&gt;first", "2. this attempt"]
    assert bars["base"] == [-4.0, 0.0]
    assert bars["x"] == [10.0, 10.0]
    assert "this attempt: conflict, from 0.0 ms for 10.0 ms" in chart["alt"]


def test_no_parameter_of_the_address_is_the_name_of_a_widget() -> None:
    top = Path(lookup_address.__file__).parents[1]
    sources = [*top.glob("dashboard/*.py"), *top.glob("pages/*.py")]
    keys = {
        key
        for each in sources
        for key in re.findall(r'(?:\bkey=|_choice\(\s*)"(\w+)"', each.read_text())
    }

    names = {lookup_address.CORRELATION_ID, lookup_address.TEXT, lookup_address.ATTEMPT}
    assert "operation" in keys
    assert keys & names == set()
