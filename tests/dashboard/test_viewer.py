"""A viewer who may see one agent's data gets nothing of another's, however it is asked for."""

from __future__ import annotations

import json
from typing import Any, Final
from uuid import UUID

import psycopg
import pytest
from streamlit.testing.v1 import AppTest

from dashboard import lookup_export, lookup_reads, quote_reads, viewer
from dashboard.quote_address import Span
from dashboard.viewer import LOCAL_OPERATOR, Viewer
from engine.access.roles import Role
from engine.quotes.lifecycle import Operation
from engine.runtime import Runtime
from tests.dashboard.conftest import APP
from tests.support import Agency, new_agency

_OTHERS_WORDS: Final = "Grand tour that nobody else may know of"


class Two:
    """Two agencies with the same to tell; the viewer belongs to the first."""

    def __init__(self, engine: Runtime) -> None:
        self.own, self.other = new_agency(engine), new_agency(engine)
        self.own_quote, self.others_quote = self._tell(self.own), self._tell(self.other)

    @staticmethod
    def _tell(agency: Agency) -> UUID:
        """A quote with a change, a conflict, and a retry under one key."""
        quote_id = agency.create(tripName=_OTHERS_WORDS)
        for taxes in (1, 2):
            agency.update(quote_id, 1, taxes=taxes)
        agency.save(Operation.UPDATE, quote_id, {"version": 2, "adults": 0})
        return quote_id


@pytest.fixture
def two(engine: Runtime, monkeypatch: pytest.MonkeyPatch) -> Two:
    found = Two(engine)
    monkeypatch.setattr(viewer, "current", lambda: Viewer(found.own.agent_id))
    return found


def opened(name: str, **said: object) -> AppTest:
    """A page at an address, for a viewer who has just come."""
    page = AppTest.from_file(str(APP), default_timeout=30)
    page.switch_page(f"../pages/{name}.py")
    for parameter, value in said.items():
        page.query_params[parameter] = str(value)
    page.run()
    assert not page.exception
    return page


def everything(page: AppTest) -> str:
    """Every text on a page, addresses of links and cells of tables among them."""
    elements = [
        *page.title, *page.header, *page.caption, *page.markdown, *page.error, *page.warning,
        *page.info, *page.text, *page.code, *page.metric,
    ]  # fmt: skip
    tables = [str(each.value.to_dict("records")) for each in page.dataframe]
    rest = [str(each.proto) for kind in ("page_link", "bidi_component") for each in page.get(kind)]
    return "\n".join([*(str(each.value) for each in elements), *tables, *rest])


def marks(agency: Agency, quote_id: UUID) -> dict[str, str]:
    """What gives an agency away, and leads to its data."""
    attempts = agency.attempts()
    with psycopg.connect(agency.runtime.target.owner) as plain:
        number, email = plain.execute(
            "SELECT q.quote_number, a.email FROM quote q JOIN agent a ON a.id = q.agent_id"
            " WHERE q.id = %s",
            [quote_id],
        ).fetchone() or ("", "")
    return {
        "quote id": str(quote_id),
        "agent id": str(agency.agent_id),
        "client id": str(agency.client_id),
        "e-mail": str(email),
        "quote number": str(number),
        **{f"attempt {n}": str(row["id"]) for n, row in enumerate(attempts)},
        **{f"correlation id {n}": row["correlation_id"] for n, row in enumerate(attempts)},
    }


def test_who_operates_the_machine_may_see_everybodys(engine: Runtime) -> None:
    found = viewer.current()

    assert (found.role, found.own_agent_id) == (Role.ADMIN, None)
    assert found.name
    assert engine.settings.login == "local"
    assert LOCAL_OPERATOR.may_see(UUID(int=7))


def test_whatever_of_another_agents_is_looked_up_nothing_is_shown(two: Two) -> None:
    theirs = marks(two.other, two.others_quote)
    del theirs["quote number"]  # each agent counts its own quotes: both have the same
    first = theirs["correlation id 0"]
    asked = [
        *theirs.values(),
        f'ERROR save failed {{"correlationId": "{first}"}}',
        first[:12],
        first.lower(),
        first[:-2] + ("A" if first[-2] != "A" else "B") + first[-1],
        f"QUOTE_CONFLICT_VERSION {first}",
    ]

    for text in asked:
        told = everything(opened("lookup", q=text))

        # What was put in is said again; nothing else of it is known.
        unknown = [mark for mark in theirs.values() if mark.lower() not in text.lower()]
        assert not [mark for mark in unknown if mark in told], text
        if "Nothing was found for" in told:
            assert "Only attempts of your own agent are looked at." in told
        else:
            assert two.own.attempts()[0]["correlation_id"] in told, text


def test_an_attempt_named_in_the_address_beside_ones_own_is_not_told(two: Two) -> None:
    own, other = two.own.attempts()[0], two.other.attempts()[0]

    page = opened("lookup", correlation_id=own["correlation_id"], attempt=other["id"])

    assert page.code[0].value == own["correlation_id"]
    assert str(other["correlation_id"]) not in everything(page)


def test_what_the_operator_has_just_read_is_not_handed_to_the_viewer(
    two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = two.other.attempts()[-1]
    address = {"correlation_id": row["correlation_id"]}
    quote = {"agent": two.other.agent_id, "quote": two.others_quote}
    with monkeypatch.context() as patch:
        patch.setattr(viewer, "current", lambda: LOCAL_OPERATOR)
        seen = everything(opened("lookup", **address)), everything(opened("quote", **quote))

    story, history = everything(opened("lookup", **address)), everything(opened("quote", **quote))

    assert str(row["id"]) in seen[0]
    assert str(row["correlation_id"]) in seen[1]
    assert "Nothing was found for" in story
    assert "This agent has no quote with this id." in history
    assert str(row["id"]) not in story
    assert str(row["correlation_id"]) not in history


def test_ones_own_story_its_neighbours_and_its_files_are_of_ones_own_alone(two: Two) -> None:
    theirs = marks(two.other, two.others_quote)
    del theirs["quote number"]
    row = two.own.attempts()[-1]

    page = opened("lookup", correlation_id=row["correlation_id"])
    looked = lookup_reads.look_up(Viewer(two.own.agent_id), row["correlation_id"], None).value
    assert looked is not None
    assert looked.story is not None
    files = [
        lookup_export.as_json(looked.story, "link"),
        lookup_export.as_markdown(looked.story, "link"),
    ]

    assert {each.agent_id for each in (*looked.story.on_quote, *looked.story.by_agent)} == {
        two.own.agent_id
    }
    assert len(json.loads(files[0])["by_the_same_agent"]) == len(two.own.attempts()) - 1
    for shown in (everything(page), *files):
        assert row["correlation_id"].replace("_", "\\_") in shown or row["correlation_id"] in shown
        assert not [mark for mark in theirs.values() if mark in shown]


def test_a_number_that_both_have_leads_to_ones_own_quote_alone(two: Two) -> None:
    number = marks(two.own, two.own_quote)["quote number"]

    told = everything(opened("lookup", q=number))

    assert two.own.attempts()[0]["correlation_id"] in told
    assert str(two.own_quote) in told
    assert str(two.others_quote) not in told
    assert "several agents" not in told


@pytest.mark.parametrize(
    "names_the_agent", [pytest.param(True, id="agent"), pytest.param(False, id="quote-alone")]
)
def test_another_agents_quote_is_not_there_with_its_agent_or_without(
    two: Two, *, names_the_agent: bool
) -> None:
    said: dict[str, Any] = {"quote": two.others_quote, "older": 1, "newer": 2, "between": "1..2"}
    if names_the_agent:
        said["agent"] = two.other.agent_id

    page = opened("quote", **said)

    assert "This agent has no quote with this id." in everything(page)
    assert not page.dataframe
    assert _OTHERS_WORDS not in everything(page)
    assert len(opened("quote", quote=two.own_quote).dataframe) > 1


def test_no_part_of_another_agents_quote_is_read(two: Two) -> None:
    looking, whose = Viewer(two.own.agent_id), (two.other.agent_id, two.others_quote)
    since = two.own.attempts()[0]["started_at"]

    for read in (
        lambda: quote_reads.timeline(looking, *whose, since, None),
        lambda: quote_reads.compare(looking, *whose, 1, 2),
        lambda: quote_reads.without_version(looking, *whose, Span(1, 2), since, None),
        lambda: quote_reads.check(looking, *whose),
    ):
        with pytest.raises(PermissionError):
            read()
