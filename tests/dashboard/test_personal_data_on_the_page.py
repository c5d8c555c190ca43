"""Personal data on the page of a quote: for whom, after what, and for how long."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

import psycopg
import pytest
from psycopg.rows import dict_row
from streamlit.testing.v1 import AppTest

from engine.access import audit
from engine.access.roles import Role
from engine.runtime import Runtime
from tests.dashboard.conftest import APP
from tests.dashboard.viewers import Seat, account_of
from tests.support import Agency, new_agency

_HOSTILE: Final = "**bold** [a](https://evil.example) <script>x</script> :red[y] \u202egnp.exe"
_SHOWN: Final = _HOSTILE.replace("\u202e", "\\u202e")
_BUTTON: Final = "show_personal_data"


@pytest.fixture
def agency(engine: Runtime) -> Agency:
    return new_agency(engine)


@pytest.fixture
def quote_id(agency: Agency) -> UUID:
    return agency.create(clientId=str(agency.client_id), agentNotes=_HOSTILE, customNotes="n" * 900)


def opened(agency: Agency, quote_id: UUID) -> AppTest:
    page = AppTest.from_file(str(APP), default_timeout=30)
    page.switch_page("../pages/quote.py")
    page.query_params["agent"], page.query_params["quote"] = str(agency.agent_id), str(quote_id)
    page.run()
    assert not page.exception
    return page


def looked(page: AppTest) -> AppTest:
    page.button(key=_BUTTON).click().run()
    assert not page.exception
    return page


def plain(page: AppTest) -> str:
    return "\n".join([*(each.value for each in page.text), *(each.value for each in page.code)])


def interpreted(page: AppTest) -> str:
    elements = [*page.markdown, *page.caption, *page.error, *page.warning, *page.info, *page.header]
    return "\n".join(each.value for each in elements)


def views(engine: Runtime) -> list[dict[str, Any]]:
    with psycopg.connect(engine.target.owner, row_factory=dict_row) as connection:
        return connection.execute(
            "SELECT * FROM audit_event WHERE action = 'personal data viewed' ORDER BY happened_at"
        ).fetchall()


@pytest.mark.parametrize("who", ["lead", "admin", "the agent"])
def test_it_is_shown_after_a_click_and_written_down_and_goes_with_the_next_run(
    engine: Runtime, seat: Seat, agency: Agency, quote_id: UUID, who: str
) -> None:
    if who == "the agent":
        seat(None, agent_id=agency.agent_id, account_id=agency.account_id)
    else:
        seat(Role(who))
    page = opened(agency, quote_id)
    before, written_before = plain(page), views(engine)

    looked(page)
    shown, said, addressed = plain(page), interpreted(page), str(dict(page.query_params))
    page.run()
    reloaded = opened(agency, quote_id)

    assert "Moreira" not in before
    assert written_before == []
    for word in ("Inês Moreira", "ines@example.org", _SHOWN, "n" * 900):
        assert word in shown
        assert word not in said
        assert word not in addressed
        assert word not in plain(page)
        assert word not in plain(reloaded)
    (event,) = views(engine)
    assert event["outcome"] == "done"
    assert event["correlation_id"] in said
    assert (event["subject_kind"], event["subject_id"]) == ("quote", str(quote_id))


def test_each_look_is_an_event_of_its_own(
    engine: Runtime, seat: Seat, agency: Agency, quote_id: UUID
) -> None:
    seat(Role.LEAD)
    page = opened(agency, quote_id)

    looked(page)
    looked(page)

    assert len({each["correlation_id"] for each in views(engine)}) == 2


def test_on_call_sees_the_quote_without_a_button(
    engine: Runtime, seat: Seat, agency: Agency, quote_id: UUID
) -> None:
    seat(Role.ON_CALL)

    page = opened(agency, quote_id)

    assert page.metric
    assert _BUTTON not in [each.key for each in page.button]
    assert "shown to leads" in interpreted(page)
    assert "Moreira" not in plain(page)
    assert views(engine) == []


def test_the_engine_refuses_by_itself_where_the_page_still_offers_it(
    engine: Runtime, seat: Seat, agency: Agency, quote_id: UUID
) -> None:
    seat(Role.LEAD, account_id=account_of(engine, Role.ON_CALL))
    page = opened(agency, quote_id)

    looked(page)

    (event,) = views(engine)
    assert (event["outcome"], event["error_code"]) == ("refused", "AUTHORIZATION_FAILED")
    assert event["correlation_id"] in page.error[0].value
    assert "AUTHORIZATION_FAILED" in page.error[0].value
    assert "Moreira" not in plain(page)


def test_nothing_is_shown_when_the_look_cannot_be_written_down(
    engine: Runtime,
    seat: Seat,
    agency: Agency,
    quote_id: UUID,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seat(Role.LEAD)
    page = opened(agency, quote_id)

    def fail(*_args: object) -> None:
        raise psycopg.errors.DiskFull

    monkeypatch.setattr(audit, "write", fail)
    looked(page)

    assert "could not be written into the audit trail, so nothing is shown" in page.error[0].value
    assert "Moreira" not in plain(page)
    assert views(engine) == []
