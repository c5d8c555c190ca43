"""A number's receipt in a real browser: from an address to the sentence, the rows and the file."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

import psycopg
import pytest
from playwright.sync_api import Browser, Page, expect

from dashboard import addresses
from engine.clock import SystemClock
from engine.database.cluster import Cluster
from engine.quotes.lifecycle import Operation
from engine.rollups import parts
from engine.rollups.grid import window_until
from engine.rollups.selection import Filter, Selection
from tests.browser.chromium import LAPTOP
from tests.browser.saveguard import Saveguard

_PATIENCE_MS: Final = 30_000
_REFUSED: Final = 3


@pytest.fixture
def selection(saveguard: Saveguard) -> Selection:
    """Some attempts that were refused, among others that were not."""
    saveguard.create_many(2)
    saveguard.create_many(_REFUSED, adults=0)
    window = window_until(SystemClock().now(), timedelta(hours=1))
    return Selection(window, Filter(Operation.CREATE), parts.UNSUCCESSFUL)


@pytest.fixture
def tab(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(
        viewport={"width": LAPTOP[0], "height": LAPTOP[1]}, accept_downloads=True
    )
    opened = context.new_page()
    opened.set_default_timeout(_PATIENCE_MS)
    expect.set_options(timeout=_PATIENCE_MS)
    yield opened
    context.close()


def test_an_address_leads_to_the_sentence_the_query_and_the_file(
    tab: Page, saveguard: Saveguard, selection: Selection
) -> None:
    tab.goto(f"{saveguard.url}/attempts?{urlencode(addresses.attempts(selection))}")

    expect(tab.get_by_role("heading", level=2)).to_contain_text(
        "CREATE attempts neither committed nor replayed, live traffic, that started from"
    )
    expect(tab.get_by_text("Both counts agree")).to_be_visible()
    numbers = tab.get_by_test_id("stMetricValue")
    expect(numbers).to_have_count(2)
    shown = [int(each.replace(",", "")) for each in numbers.all_inner_texts()]
    with tab.expect_download() as awaited:
        tab.get_by_role("button", name="CSV", exact=True).click()
    lines = _read(Path(awaited.value.path()))
    tab.get_by_text("The queries").click()
    query = tab.get_by_test_id("stCode").first.inner_text()
    theirs = tab.get_by_role("button", name="Download as CSV", include_hidden=True)

    assert shown == [len(lines)] * 2
    assert len(lines) >= _REFUSED
    # Streamlit's own file would bring formulas along.
    expect(theirs).to_be_hidden()
    assert _counted(saveguard, query) == len(lines)
    assert {(line["operation"], line["outcome"]) for line in lines} == {("CREATE", "rejected")}
    assert re.fullmatch(
        r"attempts-unsuccessful-CREATE-live-[0-9TZ]+-[0-9TZ]+\.csv",
        awaited.value.suggested_filename,
    )


def test_a_filter_rewrites_the_address_and_the_address_alone_brings_it_back(
    tab: Page, saveguard: Saveguard, selection: Selection
) -> None:
    del selection
    tab.goto(f"{saveguard.url}/attempts")
    tab.get_by_role("heading", level=2).wait_for()

    tab.get_by_label("Operation").click()
    tab.get_by_role("option", name="EXPIRE").click()

    expect(tab.get_by_role("heading", level=2)).to_contain_text("EXPIRE attempts")
    tab.wait_for_url(re.compile("only_operation=EXPIRE"))
    tab.reload()
    expect(tab.get_by_role("heading", level=2)).to_contain_text("EXPIRE attempts")


def _counted(saveguard: Saveguard, query: str) -> int:
    """What the shown query gives on the database itself."""
    with psycopg.connect(Cluster(saveguard.data_dir / "postgresql").conninfo("saveguard")) as asked:
        row = asked.execute(query.encode()).fetchone()
    assert row is not None
    return int(row[0])


def _read(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as opened:
        return list(csv.DictReader(opened))
