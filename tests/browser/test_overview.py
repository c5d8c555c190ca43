"""The overview in a real browser, on a real `saveguard up`, while quotes are being saved."""

from __future__ import annotations

import re
from typing import Literal

import httpx
import pytest
from playwright.sync_api import Page, expect

from dashboard.asgi import streamlit_config
from dashboard.panels import ROW_HEIGHT
from engine.settings import Settings
from tests.browser.chromium import LAPTOP, PHONE, TABLET
from tests.browser.overview_page import OverviewPage, Viewer
from tests.browser.saveguard import Saveguard, correlation_id

# Counts elements of the page that are taken out of it; what Plotly does inside its drawing is its
# own affair.
# Only of the page itself: above it stands Streamlit's own sign that something runs, which comes and
# goes on a busy machine.
_WATCH = """
    window.removedElements = [];
    const isOfThePage = (node) => node.nodeType === 1
        && (node.matches("[data-testid^=st], .saveguard-plot")
            || node.querySelector("[data-testid^=st], .saveguard-plot"));
    new MutationObserver((changes) => {
        for (const change of changes)
            for (const node of change.removedNodes)
                if (isOfThePage(node)) window.removedElements.push(node.outerHTML.slice(0, 200));
    }).observe(document.querySelector("[data-testid=stMain]"), {childList: true, subtree: true});
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


# What a card does not show of its words, because it is too narrow for them.
_CUT_OFF = """
    [...document.querySelectorAll(".st-key-cards p")]
        .filter(each => [each, each.parentElement].some(
            part => part.scrollWidth > part.clientWidth + 1
                && getComputedStyle(part).overflow !== "visible"))
        .map(each => each.textContent)
"""
_TOPS = (
    "[...new Set([...document.querySelectorAll('[data-testid=stMetric]')]"
    ".map(each => each.getBoundingClientRect().top))]"
)
# Some refreshes, and frames enough to see a move between them: a busy machine draws a few a second.
_IS_DRAWN = "document.querySelector('.saveguard-plot')._fullData?.length > 0"
_NEWEST_POINT = """(() => {
    const plot = document.querySelector(".saveguard-plot");
    const curve = plot._fullData[0];
    const newest = [...curve.y].findLastIndex(each => each != null);
    const box = plot.getBoundingClientRect();
    const layout = plot._fullLayout;
    return [box.left + layout._size.l + layout.xaxis.d2p(curve.x[newest]), box.top + 100];
})()"""
_HOVER_FONTS = """
    [...new Set([...document.querySelectorAll(".hoverlayer text")]
        .map(each => getComputedStyle(each).fontFamily))]
"""


_WEARS = (
    "colour => document.querySelector('.saveguard-plot')._fullData?.[0]?.line?.color === colour"
)


def test_numbers_move_while_quotes_are_saved(overview: OverviewPage, saveguard: Saveguard) -> None:
    overview.evaluate("window.sameDocument = true")
    before = overview.in_step_with(saveguard)

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
    assert any(url.endswith("/favicon.png") for url in viewer.asked), "our favicon"
    assert viewer.complaints == []


def test_charts_wear_the_themes_palette_and_change_with_it(
    overview: OverviewPage, saveguard: Saveguard
) -> None:
    options = streamlit_config(Settings())
    light, dark = (options[f"{name}.chartCategoricalColors"] for name in ("theme", "theme.dark"))
    saveguard.create()

    # A test before may have left the page dark; then the next refresh draws it anew.
    overview.tab.wait_for_function(_WEARS, arg=light[0])
    assert overview.drawn_colours()[:3] == light[:3]
    overview.tab.emulate_media(color_scheme="dark")
    overview.tab.wait_for_function(_WEARS, arg=dark[0])
    assert overview.drawn_colours()[:3] == dark[:3]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_can_be_read(
    overview: OverviewPage, saveguard: Saveguard, scheme: Literal["light", "dark"]
) -> None:
    palette = "theme" if scheme == "light" else "theme.dark"
    colour = streamlit_config(Settings())[f"{palette}.chartCategoricalColors"][0]
    saveguard.create(currency="XXX")
    expect(overview.charts().nth(1)).to_contain_text("CURRENCY_INVALID")

    overview.tab.emulate_media(color_scheme=scheme)
    overview.tab.wait_for_function(_WEARS, arg=colour)
    contrasts: list[tuple[str, float]] = overview.evaluate(_CONTRASTS)

    assert {text for text, _ in contrasts} >= {"Overview", "CURRENCY_INVALID", "P95 duration"}
    assert [each for each in contrasts if each[1] < 4.5] == []


def test_charts_are_told_to_those_who_do_not_see_them(
    overview: OverviewPage, saveguard: Saveguard
) -> None:
    overview.in_step_with(saveguard)

    durations = overview.tab.get_by_role("figure", name="Duration, per 10 s: line chart.")
    errors = overview.tab.get_by_role("figure", name="Errors by code:")
    expect(durations).to_have_accessible_name(re.compile(r"P95 [\d,.]+ ms, P99 [\d,.]+ ms, of "))
    expect(errors).to_have_count(1)


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


@pytest.mark.parametrize("size", [TABLET, PHONE])
def test_narrow_cards_stand_two_by_two_and_are_told_in_full(
    overview: OverviewPage, saveguard: Saveguard, size: tuple[int, int]
) -> None:
    saveguard.create(currency="XXX")
    overview.resize(size)
    overview.tab.wait_for_function(f"({_TOPS}).length === 3")

    boxes = [each.bounding_box() for each in overview.cards().all()]
    attempts, service, success, p95, p99 = [box for box in boxes if box is not None]

    assert attempts["y"] < service["y"] == success["y"] < p95["y"] == p99["y"]
    assert attempts["width"] > 2 * service["width"]
    assert overview.evaluate(_CUT_OFF) == []


def test_a_phone_shows_what_became_of_an_attempt(
    overview: OverviewPage, saveguard: Saveguard
) -> None:
    saveguard.create()
    overview.resize(PHONE)

    heads = overview.table().locator("[role=columnheader]").all_inner_texts()

    assert heads[:3] == ["Started, UTC", "Outcome", "Code"]


def test_all_operations_are_in_sight_when_one_is_chosen(tab: Page, saveguard: Saveguard) -> None:
    OverviewPage(tab, saveguard.url).open()

    tab.get_by_role("combobox", name="Operation").click()

    last = tab.get_by_role("option").last
    expect(last).to_have_text("EXPIRE")
    expect(last).to_be_in_viewport(ratio=1)


def test_a_section_without_attempts_says_so_in_its_middle(tab: Page, saveguard: Saveguard) -> None:
    """The labels of the chart before must not push the words aside."""
    saveguard.create(currency="XXX")
    quiet = OverviewPage(tab, saveguard.url).open()
    expect(quiet.charts().nth(1)).to_contain_text("CURRENCY_INVALID")

    tab.get_by_role("combobox", name="Operation").click()
    tab.get_by_role("option", name="EXPIRE").click()

    for number in (0, 1):
        chart = quiet.charts().nth(number)
        expect(chart).to_contain_text("No EXPIRE attempts in the last 5 minutes")
        box, words = chart.bounding_box(), chart.locator(".annotation").bounding_box()
        assert box
        assert words
        assert abs(box["x"] + box["width"] / 2 - words["x"] - words["width"] / 2) < 2


def test_one_pointer_tells_all_that_is_known_of_an_instant(
    overview: OverviewPage, saveguard: Saveguard
) -> None:
    overview.in_step_with(saveguard)
    overview.charts().first.scroll_into_view_if_needed()
    overview.tab.wait_for_function(_IS_DRAWN)
    place = overview.evaluate(_NEWEST_POINT)

    overview.tab.mouse.move(*place)

    said = overview.charts().first.locator(".hoverlayer")
    expect(said).to_contain_text("P50")
    expect(said).to_contain_text("P99")
    expect(said).to_contain_text(re.compile(r"attempts? from .+ UTC \(.+ Asia/"))
    families = overview.evaluate(_HOVER_FONTS)
    assert families == overview.evaluate("[getComputedStyle(document.body).fontFamily]")


def test_the_tab_names_the_installation(overview: OverviewPage) -> None:
    assert overview.tab.title() == "Saveguard development"


def test_a_filter_stands_in_the_address_and_outlives_a_reload(
    tab: Page, saveguard: Saveguard
) -> None:
    saveguard.create()
    filtered = OverviewPage(tab, saveguard.url).open("?refresh=10s")
    expect(filtered.value("Attempts")).not_to_have_text("0")

    tab.get_by_role("combobox", name="Operation").click()
    tab.get_by_role("option", name="DELETE").click()
    tab.wait_for_url("**operation=DELETE**")
    expect(filtered.value("Attempts")).to_have_text("0")
    tab.reload()
    filtered.ready()

    assert "operation=DELETE" in tab.url
    expect(filtered.value("Attempts")).to_have_text("0")
    expect(filtered.card("Attempts")).to_contain_text("no DELETE attempts")
    expect(filtered.badges()).to_contain_text("Live, every 10 s")
    expect(tab.get_by_role("combobox", name="Operation")).to_have_value("DELETE")


def test_the_whole_state_is_in_the_address_and_goes_along_to_other_pages(
    tab: Page, saveguard: Saveguard
) -> None:
    saveguard.create()
    chosen = "?window=30+d&operation=CREATE&traffic=Synthetic&refresh=10s"
    OverviewPage(tab, saveguard.url).open(chosen)
    expect(tab.locator(".st-key-as-of")).to_contain_text("Last 30 days")

    tab.get_by_role("link", name="Latency").click()
    tab.wait_for_url("**/latency**")
    tab.get_by_role("link", name="Overview").click()
    tab.wait_for_url(f"**/{chosen}")
    tab.reload()

    expect(tab.locator(".st-key-as-of")).to_contain_text("Last 30 days")
    expect(tab.get_by_role("combobox", name="Traffic")).to_have_value("Synthetic")


def test_a_number_leads_to_its_attempts(overview: OverviewPage, saveguard: Saveguard) -> None:
    saveguard.create()
    expect(overview.value("Attempts")).not_to_have_text("0")

    with overview.tab.context.expect_page() as opened:
        overview.value("Attempts").get_by_role("link").click()

    opened.value.wait_for_url("**/attempts?from=**")
    expect(opened.value.get_by_role("heading", name="Attempts")).to_be_visible()


def test_a_paused_page_stands_still(
    tab: Page, overview: OverviewPage, saveguard: Saveguard
) -> None:
    paused = OverviewPage(tab, saveguard.url).open("?refresh=Paused")
    expect(paused.badges()).to_contain_text("Paused")
    shown = paused.as_of().inner_text()
    overview.tab.bring_to_front()  # a hidden tab need not draw
    before = overview.in_step_with(saveguard)

    saveguard.create()

    expect(overview.value("Attempts")).to_have_text(f"{before + 1:,}")
    overview.await_refreshes(1)
    assert paused.as_of().inner_text() == shown


def test_a_clicked_correlation_id_opens_its_story_where_it_can_be_copied(
    viewer: Viewer, tab: Page, saveguard: Saveguard
) -> None:
    clipboard = ["clipboard-read", "clipboard-write"]
    viewer.context.grant_permissions(clipboard, origin=saveguard.url)
    page = OverviewPage(tab, saveguard.url)
    page.open()
    ids = [correlation_id(saveguard.create()) for _ in range(4)]
    expect(page.cells(ids[-1])).to_have_count(1)

    # The grid is a canvas: the second row's id is found by its place.
    page.table().scroll_into_view_if_needed()
    table = page.table().bounding_box()
    assert table is not None
    tab.mouse.click(table["x"] + 520, table["y"] + 2 * ROW_HEIGHT + ROW_HEIGHT / 2)
    tab.wait_for_url(f"**/lookup?correlation_id={ids[-2]}")
    shown = tab.locator(".st-key-story code").first
    expect(shown).to_have_text(ids[-2])
    shown.hover()
    tab.locator(".st-key-story").get_by_role("button", name="Copy to clipboard").first.click()
    copied = tab.evaluate("navigator.clipboard.readText()")
    tab.go_back()

    assert copied == ids[-2]
    expect(page.card("Attempts")).to_be_visible()


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
