"""The overview in a real browser, on a real `saveguard up`, while quotes are being saved."""

from __future__ import annotations

from typing import Any, Literal

import httpx
import pytest
from playwright.sync_api import Page, expect

from dashboard.asgi import streamlit_config
from dashboard.panels import ROW_HEIGHT
from engine.payload import decode_stored
from tests.browser.chromium import LAPTOP, PHONE
from tests.browser.overview_page import OverviewPage, Viewer
from tests.browser.saveguard import Saveguard

# Counts elements of the page that are taken out of it; what Plotly does inside its drawing is its
# own affair.
_WATCH = """
    window.removedElements = [];
    const isOfThePage = (node) => node.nodeType === 1
        && (node.matches("[data-testid^=st], .saveguard-plot")
            || node.querySelector("[data-testid^=st], .saveguard-plot"));
    new MutationObserver((changes) => {
        for (const change of changes)
            for (const node of change.removedNodes)
                if (isOfThePage(node)) window.removedElements.push(node.outerHTML.slice(0, 200));
    }).observe(document.body, {childList: true, subtree: true});
"""

# The contrast of every visible text with what lies behind it, as WCAG defines it.
_CONTRASTS = """() => {
    const parse = (text) => {
        const [red, green, blue, alpha = 1] = text.match(/[\\d.]+/g).map(Number);
        return {red, green, blue, alpha};
    };
    const over = (top, ground) => {
        const mix = (name) => top[name] * top.alpha + ground[name] * (1 - top.alpha);
        return {red: mix("red"), green: mix("green"), blue: mix("blue"), alpha: 1};
    };
    const groundOf = (element) => {
        const layers = [];
        for (let each = element; each; each = each.parentElement)
            layers.unshift(parse(getComputedStyle(each).backgroundColor));
        return layers.reduce((ground, layer) => over(layer, ground),
                             {red: 255, green: 255, blue: 255, alpha: 1});
    };
    const luminance = ({red, green, blue}) => {
        const [r, g, b] = [red, green, blue].map((channel) => {
            const share = channel / 255;
            return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
        });
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const found = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const element = walker.currentNode.parentElement;
        const text = walker.currentNode.textContent.trim();
        const box = element.getBoundingClientRect();
        const style = getComputedStyle(element);
        if (!text || !box.width || !box.height || style.visibility === "hidden") continue;
        if (element.closest("[data-testid=stDataFrame], script, style")) continue;
        const ground = groundOf(element);
        const ink = element.closest("svg") ? style.fill : style.color;
        const lights = [luminance(over(parse(ink), ground)), luminance(ground)];
        const contrast = (Math.max(...lights) + 0.05) / (Math.min(...lights) + 0.05);
        found.push([text, Math.round(contrast * 10) / 10]);
    }
    return found;
}"""


_WEARS = (
    "colour => document.querySelector('.saveguard-plot')._fullData?.[0]?.line?.color === colour"
)


def test_numbers_move_while_quotes_are_saved(overview: OverviewPage, saveguard: Saveguard) -> None:
    overview.evaluate("window.sameDocument = true")
    before = attempts_in_step(overview, saveguard)

    created = saveguard.create()
    saveguard.create_many(2)
    refused = saveguard.create(currency="XXX")

    assert (created.status_code, refused.status_code) == (201, 400)
    expect(overview.value("Attempts")).to_have_text(f"{before + 4:,}")
    expect(overview.charts().nth(1)).to_contain_text("CURRENCY_INVALID")
    expect(overview.cells(correlation_id(refused))).to_have_count(1)
    expect(overview.cells(correlation_id(created))).to_have_count(1)
    expect(overview.as_of()).to_contain_text("Asia/")
    assert overview.evaluate("window.sameDocument")


def test_nothing_is_taken_out_of_a_live_page_while_its_charts_move(
    overview: OverviewPage, saveguard: Saveguard
) -> None:
    drawn = (
        "document.querySelector('.saveguard-plot')._fullData"
        ".find(trace => trace.type === 'bar')?.y.reduce((sum, each) => sum + each, 0)"
    )
    saveguard.create(currency="XXX")
    expect(overview.charts().nth(1)).to_contain_text("CURRENCY_INVALID")
    expect(overview.table()).to_be_visible()
    overview.await_refreshes(1)
    overview.evaluate(_WATCH)
    before = overview.evaluate(drawn)

    for _ in range(3):
        saveguard.create()
        overview.await_refreshes(1)

    overview.tab.wait_for_function(f"{drawn} >= {before} + 3")
    assert overview.evaluate("window.removedElements") == []


def test_the_page_asks_nobody_but_this_machine(
    viewer: Viewer, overview: OverviewPage, saveguard: Saveguard
) -> None:
    overview.await_refreshes(1)

    here = saveguard.url.removeprefix("http://")
    abroad = {
        url
        for url in viewer.asked
        if not url.startswith(("blob:", "data:")) and url.split("/")[2] != here
    }
    assert abroad == set()
    assert any(url.startswith("ws://") for url in viewer.asked)
    assert any("/media/" in url and url.endswith(".png") for url in viewer.asked), "our favicon"
    assert viewer.complaints == []


def test_charts_wear_the_themes_palette_and_change_with_it(
    overview: OverviewPage, saveguard: Saveguard
) -> None:
    options = streamlit_config("127.0.0.1", 1)
    light, dark = (options[f"{name}.chartCategoricalColors"] for name in ("theme", "theme.dark"))
    saveguard.create()
    overview.tab.wait_for_function("document.querySelector('.saveguard-plot')._fullData.length > 0")

    assert overview.drawn_colours()[:3] == light[:3]
    overview.tab.emulate_media(color_scheme="dark")
    overview.tab.wait_for_function(_WEARS, arg=dark[0])
    assert overview.drawn_colours()[:3] == dark[:3]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_can_be_read(
    overview: OverviewPage, saveguard: Saveguard, scheme: Literal["light", "dark"]
) -> None:
    palette = "theme" if scheme == "light" else "theme.dark"
    colour = streamlit_config("127.0.0.1", 1)[f"{palette}.chartCategoricalColors"][0]
    saveguard.create(currency="XXX")
    expect(overview.charts().nth(1)).to_contain_text("CURRENCY_INVALID")

    overview.tab.emulate_media(color_scheme=scheme)
    overview.tab.wait_for_function(_WEARS, arg=colour)
    contrasts: list[tuple[str, float]] = overview.evaluate(_CONTRASTS)

    assert {text for text, _ in contrasts} >= {"Overview", "CURRENCY_INVALID", "P95 duration"}
    assert [each for each in contrasts if each[1] < 4.5] == []


def test_charts_are_told_to_those_who_do_not_see_them(overview: OverviewPage) -> None:
    assert overview.tab.get_by_role("figure", name="Line chart: P50, P95 and P99").count() == 1
    assert overview.tab.get_by_role("figure", name="Bar chart: number of attempts").count() == 1


def test_cards_and_charts_fit_on_a_laptop(overview: OverviewPage) -> None:
    parts = [*overview.charts().all(), overview.card("P99 duration")]

    for part in parts:
        box = part.bounding_box()
        assert box is not None
        assert box["y"] >= 0
        assert box["y"] + box["height"] <= LAPTOP[1]


def test_a_phone_needs_no_scrolling_sideways(overview: OverviewPage) -> None:
    rightmost = (
        "Math.max(...[...document.querySelectorAll('[data-testid=stMetric], .saveguard-plot')]"
        ".map(each => each.getBoundingClientRect().right))"
    )

    overview.resize(PHONE)

    overview.tab.wait_for_function(f"{rightmost} <= {PHONE[0]}")
    assert overview.evaluate("document.scrollingElement.scrollWidth") <= PHONE[0]


def test_a_filter_stands_in_the_address_and_outlives_a_reload(
    tab: Page, saveguard: Saveguard
) -> None:
    saveguard.create()
    filtered = OverviewPage(tab, saveguard.url).open("?refresh=10s")
    expect(filtered.value("Attempts")).not_to_have_text("0")

    tab.get_by_role("combobox").click()
    tab.get_by_role("option", name="Delete").click()
    tab.wait_for_url("**operation=Delete**")
    expect(filtered.value("Attempts")).to_have_text("0")
    tab.reload()
    filtered.ready()

    assert "operation=Delete" in tab.url
    expect(filtered.value("Attempts")).to_have_text("0")
    expect(filtered.badges()).to_contain_text("No attempts")
    expect(filtered.badges()).to_contain_text("Live, every 10 s")
    expect(tab.get_by_test_id("stSelectbox").get_by_role("combobox")).to_have_value("Delete")


def test_a_paused_page_stands_still(
    tab: Page, overview: OverviewPage, saveguard: Saveguard
) -> None:
    paused = OverviewPage(tab, saveguard.url).open("?refresh=Paused")
    expect(paused.badges()).to_contain_text("Paused")
    shown = paused.as_of().inner_text()
    overview.tab.bring_to_front()  # a hidden tab need not draw
    before = attempts_in_step(overview, saveguard)

    saveguard.create()

    expect(overview.value("Attempts")).to_have_text(f"{before + 1:,}")
    overview.await_refreshes(1)
    assert paused.as_of().inner_text() == shown


def test_a_clicked_correlation_id_stays_to_be_copied(
    viewer: Viewer, overview: OverviewPage, saveguard: Saveguard
) -> None:
    clipboard = ["clipboard-read", "clipboard-write"]
    viewer.context.grant_permissions(clipboard, origin=saveguard.url)
    ids = [correlation_id(saveguard.create()) for _ in range(4)]
    expect(overview.cells(ids[-1])).to_have_count(1)

    # The grid is a canvas: the second row's id is found by its place.
    table = overview.table().bounding_box()
    assert table is not None
    overview.tab.mouse.click(table["x"] + 380, table["y"] + 2 * ROW_HEIGHT + ROW_HEIGHT / 2)
    picked = overview.tab.locator(".st-key-picked code")
    expect(picked).to_have_text(ids[-2])
    saveguard.create_many(3)
    overview.await_refreshes(2)
    expect(picked).to_have_text(ids[-2])
    picked.hover()
    overview.tab.get_by_role("button", name="Copy to clipboard").click()

    assert overview.evaluate("navigator.clipboard.readText()") == ids[-2]


def test_a_killed_database_is_told_and_got_over(
    overview: OverviewPage, saveguard: Saveguard
) -> None:
    before = attempts_in_step(overview, saveguard)

    saveguard.kill_database()

    notice = overview.tab.get_by_role("alert")
    expect(notice).to_contain_text("The database has not")
    expect(notice).to_contain_text("The numbers below are those of")
    expect(overview.badges()).to_contain_text("Stale")
    expect(overview.card("P95 duration")).to_contain_text("Stale")
    assert overview.attempts() == before

    cluster = saveguard.restart_database()
    try:
        expect(notice).to_have_count(0)
        expect(overview.badges()).to_contain_text("Live, every 2 s")
        assert saveguard.create().status_code == 201
        expect(overview.value("Attempts")).to_have_text(f"{before + 1:,}")
    finally:
        cluster.release()


def test_a_name_that_was_made_to_point_here_opens_no_session(saveguard: Saveguard) -> None:
    def upgrade(host: str) -> int:
        headers = {
            "host": host,
            "connection": "Upgrade",
            "upgrade": "websocket",
            "sec-websocket-version": "13",
            "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
            "sec-websocket-protocol": "streamlit",
        }
        with httpx.stream("GET", f"{saveguard.url}/_stcore/stream", headers=headers) as answer:
            return answer.status_code

    assert upgrade("127.0.0.1") == 101
    assert upgrade("evil.example") == 403


def attempts_in_step(overview: OverviewPage, saveguard: Saveguard) -> int:
    """How many attempts the page counts once it has seen everything that was saved until now."""
    newest = correlation_id(saveguard.create())
    expect(overview.cells(newest)).to_have_count(1)
    return overview.attempts()


def correlation_id(answer: httpx.Response) -> str:
    body: dict[str, Any] = decode_stored(answer.content)
    found: str = body["correlationId"]
    return found
