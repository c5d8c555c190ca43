"""Who may see numbers only is told nothing of one attempt, quote or agent, and is led to none."""

from __future__ import annotations

from typing import Any, Final

import psycopg
import pytest
from streamlit.testing.v1 import AppTest

from dashboard import attempt_reads, errors_reads, latency_reads, limits_reads, people_reads, reads
from dashboard.viewer import Viewer
from engine.access.roles import Role
from engine.errors import ErrorCode
from engine.quotes.lifecycle import Operation
from engine.rollups.grid import Window
from engine.rollups.selection import Filter, Selection
from engine.runtime import Runtime
from engine.slo import overview
from tests.dashboard.attempts import AGENT, CLOCK, END, START, WINDOW, add, attempt
from tests.dashboard.conftest import APP
from tests.dashboard.viewers import Seat

_QUOTE: Final = CLOCK.uuid7()
_IDS: Final = [f"REQ-SEEN-{number:03}" for number in range(12)]
_VIEWER: Final = Viewer(role=Role.VIEWER)


@pytest.fixture
def attempts(connection: psycopg.Connection[Any]) -> None:
    """Committed and failed ones, each with an id that is easily found."""
    add(
        connection,
        *(
            attempt(
                code=ErrorCode.DATABASE_TIMEOUT if number % 3 == 0 else None,
                correlation_id=correlation_id,
                quote_id=_QUOTE,
                duration_us=900_000 + number,
            )
            for number, correlation_id in enumerate(_IDS)
        ),
    )


def opened(name: str, **said: str) -> AppTest:
    page = AppTest.from_file(str(APP), default_timeout=30)
    if name != "overview":
        page.switch_page(f"../pages/{name}.py")
    for parameter, value in said.items():
        page.query_params[parameter] = value
    page.run()
    assert not page.exception
    return page


def everything(page: AppTest) -> str:
    """All that is sent to the browser but the scripts that it runs."""
    elements = [
        *page.title, *page.header, *page.caption, *page.markdown, *page.text, *page.code,
        *page.metric, *page.error, *page.warning, *page.info,
    ]  # fmt: skip
    # Columns are configured whether or not a table has them; their names give nothing away.
    tables = [str(each.value.to_dict("records")) for each in page.dataframe]
    rest = [str(each.proto) for kind in ("page_link", "bidi_component") for each in page.get(kind)]
    return "\n".join([*(str(each.value) for each in elements), *tables, *rest])


@pytest.mark.usefixtures("attempts")
@pytest.mark.parametrize(
    ("name", "said"),
    [("overview", {}), ("errors", {}), ("errors", {"code": "DATABASE_TIMEOUT"}), ("latency", {})],
    ids=["overview", "errors", "errors-of-a-code", "latency"],
)
def test_nothing_of_one_attempt_is_on_a_page_of_numbers(
    seat: Seat, name: str, said: dict[str, str]
) -> None:
    marks = [*_IDS, str(_QUOTE), str(_QUOTE)[-8:], str(AGENT), "attempts?", "/attempts", "/lookup"]

    seat(Role.ON_CALL)
    for_on_call = everything(opened(name, **said))
    seat(Role.VIEWER)
    page = opened(name, **said)
    for_viewer = everything(page)

    assert [mark for mark in marks if mark in for_on_call]
    assert [mark for mark in marks if mark in for_viewer] == []
    # The numbers themselves are the same.
    assert len(page.metric) == (5 if name == "overview" else 0)
    assert "4 of 12 attempts failed" in for_viewer or name != "errors"


@pytest.mark.usefixtures("engine")
def test_no_reading_is_handed_to_who_may_not_have_it(seat: Seat) -> None:
    nobody, numbers = Viewer(), _VIEWER
    selection = Selection(Window(START, END), Filter())

    for read in (
        lambda: reads.how_saves_are(nobody, WINDOW, Filter()),
        lambda: errors_reads.what_went_wrong(nobody, WINDOW, Filter(), None),
        lambda: latency_reads.durations(nobody, WINDOW, Filter()),
        lambda: attempt_reads.read_receipt(numbers, selection),
        lambda: attempt_reads.read_page(numbers, selection, None),
        lambda: attempt_reads.recount(numbers, selection),
        lambda: limits_reads.limits(numbers),
        lambda: people_reads.listed(numbers, "", ""),
        lambda: people_reads.whole(numbers, CLOCK.uuid7(), ""),
    ):
        with pytest.raises(PermissionError):
            read()
    assert latency_reads.slowest_attempts(numbers, WINDOW, Filter()) is None
    del seat


@pytest.mark.usefixtures("attempts")
def test_a_reading_is_shared_by_all_who_may_see_the_same_whoever_they_are(
    engine: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Operation | None] = []
    read = overview.read

    def noting(*args: Any, **more: Any) -> Any:
        asked.append(more["wanted"].operation)
        return read(*args, **more)

    monkeypatch.setattr(overview, "read", noting)
    people = [Viewer(role=role, account_id=CLOCK.uuid7()) for role in Role for _ in range(25)]

    readings = {who: reads.how_saves_are(who, WINDOW, Filter()) for who in people}

    # Once for those who may read the ledger, and once for those who may not.
    assert len(asked) == 2
    seen = {
        who.role: {each.correlation_id for each in reading.summary.newest}
        for who, reading in readings.items()
        if reading.summary is not None
    }
    assert seen == {
        Role.VIEWER: set(),
        **{key: {*_IDS} for key in (Role.ON_CALL, Role.LEAD, Role.ADMIN)},
    }
    del engine
