"""The page of alerts: what is seen of what fires, of the watch over it, and of what was."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb
from streamlit.testing.v1 import AppTest

from dashboard import alerts_reads, engine_in_process
from engine.access.roles import Role
from engine.runtime import Runtime
from tests.alert_past import Past, two_weeks
from tests.dashboard.alerts import badges, cards, links, opened
from tests.dashboard.conftest import APP
from tests.dashboard.readiness import again, interpreted, labels, table, told
from tests.dashboard.viewers import Seat

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOSTILE = "<b id=x>b</b> [a](https://evil.example) **bold** :red[y] `c` \u202egnp.exe"


@pytest.fixture
def past(engine: Runtime) -> Iterator[Past]:
    """A past that ends now, with nothing in it yet."""
    # As somebody who may take out what is kept.
    with psycopg.connect(engine.target.owner, autocommit=True) as connection:
        yield Past(connection, engine.clock.now())


@pytest.fixture
def on_call(seat: Seat) -> None:
    seat(Role.ON_CALL)


@pytest.mark.usefixtures("on_call")
def test_while_nobody_has_evaluated_nothing_is_green(past: Past) -> None:
    page = opened()

    assert "Unknown whether anything is wrong: nobody evaluates the rules." in told(page)
    assert not [each for each in badges(page) if ":green-badge" in each]
    assert cards(page)["Last evaluation"] == ("never", "stands still")
    assert cards(page)["Lag"][0] == "unknown"
    del past


@pytest.mark.usefixtures("on_call")
def test_nothing_fires_is_green_only_while_evaluations_are_fresh(past: Past) -> None:
    past.ticks(3, newest_ago=4 * SECOND)
    past.state("CRITICAL-002", "inactive", past.now - MINUTE)
    fresh = opened()
    past.connection.execute("UPDATE alert_tick SET started_at = started_at - interval '30 s'")
    stale = opened()

    assert any(":green-badge[" in each and "Nothing fires" in each for each in badges(fresh))
    assert cards(fresh)["Last evaluation"] == ("4 s ago", "alive")
    assert cards(fresh)["Evaluations in 24 h"] == ("3", "no gaps")
    assert not any("Nothing fires" in each for each in badges(stale))
    assert any("The evaluator stands still: last look 34 s ago" in each for each in badges(stale))


@pytest.mark.usefixtures("on_call")
def test_a_missing_tick_and_a_missing_watcher_are_said_in_red(past: Past) -> None:
    past.ticks(5, newest_ago=SECOND)
    past.connection.execute("DELETE FROM alert_tick WHERE number IN (2, 3)")

    page = opened()

    assert cards(page)["Evaluations in 24 h"] == ("3", "2 missing of 5")
    assert cards(page)["Watcher outside"] == ("none", "not configured")
    assert any(":red-badge[Watcher outside: not configured]" in each for each in badges(page))
    assert any(
        ":red-badge[No channel is configured: nobody is told]" in each for each in badges(page)
    )


@pytest.mark.usefixtures("on_call")
def test_what_fires_is_told_worst_first_with_where_it_leads(past: Past) -> None:
    past.ticks(2, newest_ago=SECOND)
    past.alert("MEDIUM-001", ago=90 * MINUTE)
    past.alert("HIGH-003", ago=3 * MINUTE)
    alert_id = past.alert("CRITICAL-003", ago=12 * MINUTE + 5 * SECOND)

    page = opened()
    said, marked = told(page), interpreted(page)

    assert any("3 alerts fire: 1 CRITICAL, 1 HIGH, 1 MEDIUM" in each for each in badges(page))
    names = [each.value for each in page.markdown if each.value.startswith("**")]
    assert [each.partition("** ")[0].replace("\\", "") for each in names] == [
        "**CRITICAL-003", "**HIGH-003", "**MEDIUM-001",
    ]  # fmt: skip
    assert "for 12 min 05 s" in said
    assert "for 1 h 30 min" in said
    assert "Database timeouts: 3 of 812 attempts in 5 min" in said
    assert "Nobody has it in hand" in said
    assert "last notice 12 min 05 s ago" in marked
    where = "\n".join(links(page))
    assert f"alert={alert_id}" in where
    assert "correlation_id=REQ-" in where
    assert "only_part=timeouts" in where


def test_what_a_rule_says_by_now_stands_beneath_what_it_said_when_it_began(past: Past) -> None:
    past.ticks(2, newest_ago=SECOND)
    past.alert("CRITICAL-003", ago=12 * MINUTE)
    since = past.now - 12 * MINUTE
    past.state("CRITICAL-003", "firing", since, reason="Database timeouts: none in 5 min.")

    said = told(opened())

    assert "3 of 812 attempts in 5 min" in said
    assert "\nNow: Database timeouts: none in 5 min.\n" in said


def test_the_alert_that_a_message_leads_to_stands_before_all_others(past: Past) -> None:
    past.ticks(2, newest_ago=SECOND)
    past.alert("CRITICAL-003", ago=2 * MINUTE)
    led_to = past.alert("HIGH-003", ago=3 * MINUTE)

    page = opened(alert=str(led_to))

    names = [each.value for each in page.markdown if each.value.startswith("**")]
    assert [each.partition("** ")[0].replace("\\", "") for each in names] == [
        "**HIGH-003", "**CRITICAL-003", "**HIGH-003",
    ]  # fmt: skip


@pytest.mark.usefixtures("engine")
def test_who_sees_numbers_only_sees_what_fires_and_no_single_attempt(
    seat: Seat, past: Past
) -> None:
    seat(Role.VIEWER)
    past.ticks(2, newest_ago=SECOND)
    alert_id = past.alert()
    past.notice(alert_id, "webhook")

    pages = [
        opened(),
        opened(alert=str(alert_id)),
        opened(show="History"),
        opened(show="Deliveries"),
        opened(show="Silences"),
        opened(show="Rules", rule="HIGH-003"),
    ]

    assert "Database timeouts: 3 of 812" in told(pages[0])
    for page in pages:
        everything = (
            told(page)
            + interpreted(page)
            + "".join(str(each.value.to_dict("records")) for each in page.dataframe)
        )
        assert "REQ-" not in everything + "".join(links(page))
        assert "attempts?" not in "".join(links(page))
        assert not page.button
        assert not page.text_area
    assert table(pages[2], "Alerts, newest first")
    assert not table(pages[3], "Notices, newest first")
    assert len(table(pages[5], "Rules")) > 30


@pytest.mark.usefixtures("on_call")
def test_a_muted_alert_says_what_mutes_it(past: Past) -> None:
    past.ticks(2, newest_ago=SECOND)
    silence_id = past.silence({"rule": "HIGH-003"}, reason="the disk is being moved")
    past.alert("HIGH-003", muted_by=Jsonb({"silence": str(silence_id)}), told_at=None)
    past.alert("CRITICAL-002", muted_by=Jsonb({"cause": "WATCH-001-DATABASE"}), told_at=None)

    page = opened()

    assert "Not told: silenced, the disk is being moved" in told(page)
    assert "Not told: only a sign of WATCH-001-DATABASE, which fires" in told(page)
    assert any("1 silence holds" in each for each in badges(page))


@pytest.mark.usefixtures("on_call")
def test_what_is_pending_or_unknown_says_why_and_for_how_long(past: Past) -> None:
    past.ticks(2, newest_ago=SECOND)
    past.state("MEDIUM-001", "pending", past.now - 40 * SECOND, reason="more than half a percent")
    past.state("HIGH-005", "unknown", past.now - 3 * MINUTE, reason="too few attempts")

    page = opened()

    (pending,) = table(page, "Pending rules")
    (unknown,) = table(page, "Unknown rules")
    assert (pending["Rule"], pending["For"], pending["Why"]) == (
        "MEDIUM-001", "40 s", "more than half a percent",
    )  # fmt: skip
    assert (unknown["Rule"], unknown["For"], unknown["Why"]) == (
        "HIGH-005", "3 min 00 s", "too few attempts",
    )  # fmt: skip


@pytest.mark.usefixtures("on_call")
def test_an_alert_is_told_with_its_numbers_its_notices_and_their_tries(past: Past) -> None:
    alert_id = past.alert(lasted=9 * MINUTE)
    outbox_id = past.notice(
        alert_id, "webhook", state="failed", reason="server error", answer="503 busy", tries=2
    )
    past.tried(outbox_id, 1, result="retry", reason="timeout", status=None, answer=None)
    past.tried(outbox_id, 2, result="failed", reason="server error", status=503, answer="busy")
    among = past.alert("HIGH-003")
    past.connection.execute(
        "UPDATE alert_outbox SET body = body || %s",
        [Jsonb({"others": [{"alertId": str(among)}]})],
    )

    page = opened(alert=str(alert_id))
    grouped = opened(alert=str(among))

    facts = {row["Fact"]: row["Value"] for row in table(page, "Facts of the alert")}
    assert (facts["Severity"], facts["Lasted"], facts["In hand"]) == (
        "CRITICAL", "9 min 00 s", "nobody",
    )  # fmt: skip
    assert (facts["attempts"], facts["bad"], facts["share"]) == ("812", "3", "0.369 %")
    assert (facts["window"], facts["P99"]) == ("5 min", "2,004.1 ms")
    assert [row["Went to"] for row in table(page, "Transitions of the alert")] == [
        ["resolved"], ["firing"],
    ]  # fmt: skip
    (notice,) = table(page, "Notices of the alert")
    assert (notice["State"], notice["Tries"], notice["Why not"], notice["Answer"]) == (
        ["failed"], 2, "server error", "503 busy",
    )  # fmt: skip
    assert [(row["Try"], row["Why not"], row["Status"]) for row in table(
        page, "Tries to tell of the alert"
    )] == [(1, "timeout", ""), (2, "server error", "503")]  # fmt: skip
    # Of a group each alert has the notice that told of all.
    assert table(grouped, "Notices of the alert")[0]["Rule"] == "CRITICAL-003 and 1 more"


@pytest.mark.usefixtures("on_call")
def test_history_is_what_the_tables_hold_and_filters_stand_in_the_address(
    past: Past,
) -> None:
    two_weeks(past)
    counted = dict(
        past.connection.execute("SELECT severity, count(*) FROM alert GROUP BY severity").fetchall()
    )

    everything = opened(show="History", span="30 d")
    critical = opened(show="History", span="30 d", severity="CRITICAL")
    one_rule = opened(show="History", span="7 d", rule="HIGH-003")
    none = opened(show="History", span="1 h", rule="HIGH-004")

    rows = table(everything, "Alerts, newest first")
    assert len(rows) == sum(counted.values())
    assert {row["Told"] for row in rows} == {"yes", "muted"}
    assert len(table(critical, "Alerts, newest first")) == counted["CRITICAL"]
    assert {row["Rule"] for row in table(critical, "Changes of state, newest first")} == {
        "CRITICAL-003"
    }
    lasted = {row["Lasted"] for row in table(one_rule, "Alerts, newest first")}
    assert lasted == {"34 min 00 s"}
    moves = table(one_rule, "Changes of state, newest first")
    assert moves[0]["Went to"] == ["resolved"]
    assert moves[0]["After"] == "34 min 00 s"
    assert moves[0]["Numbers"].startswith("attempts 812, bad 3, share 0.369 %")
    assert interpreted(none).count("None in the last 1 h") == 2


@pytest.mark.usefixtures("on_call")
def test_filters_and_views_rewrite_the_address_and_leave_the_refresh_alone(past: Past) -> None:
    two_weeks(past)
    page = opened(show="History", span="30 d", alert=str(past.alert()))

    page.selectbox(key="alerts_severity").set_value("HIGH")
    again(page)
    filtered = dict(page.query_params)
    page.segmented_control(key="alerts_show").set_value("Silences")
    again(page)

    assert filtered == {
        "show": "History", "span": "30 d", "severity": "HIGH", "refresh": "Paused",
    }  # fmt: skip
    assert dict(page.query_params) == {
        "show": "Silences", "span": "30 d", "refresh": "Paused",
    }  # fmt: skip


@pytest.mark.usefixtures("on_call")
def test_deliveries_show_channels_that_nobody_has_configured_in_words(past: Past) -> None:
    alert_id = past.alert()
    past.notice(alert_id, "webhook")
    past.notice(
        alert_id, "telegram", state="not configured", reason="not configured", tries=0,
        answer=None, receipt=None, ended_at=None,
    )  # fmt: skip

    page = opened(show="Deliveries")
    webhook = opened(show="Deliveries", channel="webhook")

    states = {row["Channel"]: row for row in table(page, "Channels in the last week")}
    assert {name: row["State"] for name, row in states.items()} == {
        "telegram": ["not configured"], "webhook": ["not configured"],
        "apprise": ["not configured"],
    }  # fmt: skip
    assert states["webhook"]["Remark"] == "ALERT_WEBHOOK_URL is not set"
    assert "No channel is configured" in interpreted(page)
    assert len(table(page, "Notices, newest first")) == 2
    (row,) = table(webhook, "Notices, newest first")
    assert (row["State"], row["Took"], row["Answer"]) == (["delivered"], "1.4 s", "ok")
    assert {"Test telegram", "Test webhook", "Test apprise", "It arrived"} <= set(labels(page))


@pytest.mark.usefixtures("on_call")
@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"state": "waiting", "tries": 0, "ended_at": None}, "put in 12 min 00 s ago, not sent"),
        (
            {"state": "waiting", "tries": 2, "reason": "timeout", "ended_at": None},
            "sent, not accepted yet: timeout",
        ),
        ({}, "accepted 11 min 58 s ago, nobody has read it yet"),
        ({"state": "failed", "reason": "credentials"}, "failed 12 min 00 s ago: credentials"),
        ({"echoed": None}, "came back 5 s ago: echoed"),
        ({"echoed": "theo"}, "came back 5 s ago: read by theo"),
    ],
    ids=["put-in", "sent", "accepted", "failed", "echoed", "typed-back"],
)
def test_a_test_of_a_channel_says_how_far_it_has_come(
    past: Past, columns: dict[str, Any], words: str
) -> None:
    if "echoed" in columns:
        columns = {"echoed_at": past.now - 5 * SECOND, "echoed_by": columns["echoed"]}
    past.notice(past.alert(), "webhook", kind="test", nonce="ABCD2345", **columns)

    page = opened(show="Deliveries")

    by_channel = {row["Channel"]: row for row in table(page, "Channels in the last week")}
    assert by_channel["webhook"]["Test"].startswith(words)
    assert by_channel["telegram"]["Test"] == "never tested"
    # Who only looks at the page must not be able to say that they have read the message.
    assert "ABCD2345" not in told(page) + interpreted(page) + str(
        [each.value.to_dict("records") for each in page.dataframe]
    )


@pytest.mark.usefixtures("on_call")
def test_an_address_that_leads_nowhere_says_so(past: Past) -> None:
    unread = opened(show="Everything", alert="x", severity="LOUD", span="9 y", channel="fax")
    missing = opened(alert="01900000-0000-7000-8000-00000000000a")
    no_rule = opened(show="Rules", rule="HIGH-999")

    for name in ("show", "alert", "severity", "span", "channel"):
        assert f"({name})" in interpreted(unread)
    assert "There is no alert with this id" in interpreted(missing)
    assert "There is no rule with this id" in interpreted(no_rule)
    del past


@pytest.mark.usefixtures("on_call")
def test_hostile_text_is_only_text_wherever_it_stands(past: Past) -> None:
    silence_id = past.silence({"rule": HOSTILE}, reason=HOSTILE, made_by=HOSTILE)
    alert_id = past.alert(
        rule_id=HOSTILE,
        severity="CRITICAL",
        error_code=HOSTILE,
        correlation_id=HOSTILE,
        message=HOSTILE,
        numbers=Jsonb({HOSTILE: HOSTILE}),
        acknowledged_at=past.now,
        acknowledged_by=HOSTILE,
        remark=HOSTILE,
        muted_by=Jsonb({"silence": str(silence_id)}),
    )
    outbox_id = past.notice(
        alert_id, "webhook", answer=HOSTILE, receipt=HOSTILE, body=Jsonb({"ruleId": HOSTILE})
    )
    past.tried(outbox_id, answer=HOSTILE)
    past.ticks(2, newest_ago=SECOND)

    for page in (
        opened(alert=str(alert_id)),
        opened(show="History"),
        opened(show="Deliveries"),
        opened(show="Silences"),
    ):
        marked = interpreted(page)
        # Escaped is not enough: what looks like an address becomes a link in escaped Markdown, too.
        assert "evil" not in marked
        assert "**bold**" not in marked
        assert "<b" not in marked.replace("\\<", "")
        assert ":red[y]" not in marked
        shown = marked + told(page) + str([each.value for each in page.dataframe])
        assert "\u202e" not in shown


@pytest.mark.usefixtures("on_call")
def test_with_the_database_stopped_the_page_says_so_and_is_not_green(
    past: Past, monkeypatch: pytest.MonkeyPatch
) -> None:
    past.ticks(2, newest_ago=SECOND)

    def down(*_args: Any, **_more: Any) -> None:
        raise psycopg.OperationalError

    monkeypatch.setattr(alerts_reads, "read_status", down)
    page = opened()

    assert any("the database has not answered" in each.value for each in page.error)
    assert not [each for each in badges(page) if ":green-badge" in each]


def test_no_reading_of_alerting_is_handed_to_who_may_not_have_it(seat: Seat) -> None:
    viewer, nobody = seat(Role.VIEWER), seat(None)

    with pytest.raises(PermissionError):
        alerts_reads.deliveries(viewer, MINUTE, None, None, "")
    for read in (
        lambda: alerts_reads.standing(nobody, ""),
        lambda: alerts_reads.firing(nobody),
        lambda: alerts_reads.history(nobody, MINUTE, None, None, ""),
        lambda: alerts_reads.rule_book(nobody, None, ""),
    ):
        with pytest.raises(PermissionError):
            read()
    assert engine_in_process.is_open()


def test_something_critical_is_on_every_page_of_who_may_see_it(seat: Seat, past: Past) -> None:
    past.alert("CRITICAL-003", ago=2 * MINUTE)
    past.alert("CRITICAL-002", muted_by=Jsonb({"cause": "WATCH-001-DATABASE"}))
    past.alert("HIGH-003")

    def line(name: str) -> str:
        page = AppTest.from_file(str(APP), default_timeout=60)
        page.switch_page(f"../pages/{name}.py")
        return told(page.run())

    seat(Role.VIEWER)
    said = "1 alert firing: CRITICAL-003, for 2 min 00 s"
    assert said in line("latency")
    assert said in line("account")
    assert said not in line("alerts")
    seat(None)
    assert said not in line("account")
