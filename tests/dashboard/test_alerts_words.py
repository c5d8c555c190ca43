"""Alerting in words, in addresses and in a picture; nothing is read or drawn."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from dashboard import alerts_address, alerts_edit, alerts_timeline, alerts_words, runbook
from dashboard.alerts_address import Asked, Show
from dashboard.alerts_timeline import Bar, Timeline
from engine.alerting.loading import own_rules
from engine.alerting.rules import AlertSeverity
from engine.alerting.states import RuleState
from engine.alerting.status import (
    AlertingStatus,
    FiringAlert,
    HeartbeatStanding,
    RuleStanding,
    Ticks,
)
from engine.errors import SetupError

NOW = datetime(2026, 11, 26, 9, tzinfo=UTC)
SECOND = timedelta(seconds=1)
TICKS = Ticks(
    since=NOW - timedelta(hours=24),
    number=9,
    last_at=NOW - 4 * SECOND,
    interval=10 * SECOND,
    count=9,
    missing=0,
    lag_p99_s=0.2,
    lag_max_s=0.4,
    rules_digest=b"x",
    release="test",
    instance="test",
)
RULES = {rule.id: rule for rule in own_rules()}


def firing(severity: AlertSeverity) -> FiringAlert:
    return FiringAlert(
        UUID(int=1), "R", severity, "CODE", "REQ-1", "words", NOW, None, None, None, None
    )


def status(*alerts: FiringAlert, ticks: Ticks = TICKS, state: str = "inactive") -> AlertingStatus:
    standing = RuleStanding("R", None, RuleState(state), NOW, "because", {}, None, 9)
    return AlertingStatus(
        NOW, (standing,), alerts, ticks, HeartbeatStanding(is_configured=False), (), 0, 1
    )


@pytest.mark.parametrize(
    ("found", "words", "colour"),
    [
        (status(), "Nothing fires", "green"),
        (status(state="unknown"), "Nothing is known", "gray"),
        (status(firing(AlertSeverity.HIGH)), "1 alert fires: 1 HIGH", "orange"),
        (
            status(firing(AlertSeverity.CRITICAL), firing(AlertSeverity.MEDIUM)),
            "2 alerts fire: 1 CRITICAL, 1 MEDIUM",
            "red",
        ),
        (
            status(ticks=replace(TICKS, last_at=NOW - 21 * SECOND)),
            "Unknown whether anything is wrong",
            "gray",
        ),
        (status(ticks=replace(TICKS, last_at=None)), "Unknown whether anything is wrong", "gray"),
        (
            status(firing(AlertSeverity.MEDIUM), ticks=replace(TICKS, last_at=NOW - 21 * SECOND)),
            "1 alert fired at the last look: 1 MEDIUM",
            "red",
        ),
    ],
    ids=["calm", "unknown", "high", "worst-first", "stale", "never", "stale-and-firing"],
)
def test_the_headline_is_green_only_of_what_was_looked_at_a_moment_ago(
    found: AlertingStatus, words: str, colour: str
) -> None:
    said = alerts_words.headline(found, NOW)

    assert said.text.startswith(words)
    assert said.colour == colour


def test_what_most_rules_cannot_say_is_not_green() -> None:
    calm = status()
    unknown = replace(calm.rules[0], state=RuleState.UNKNOWN)

    mostly = alerts_words.headline(replace(calm, rules=(*calm.rules, unknown, unknown)), NOW)
    partly = alerts_words.headline(replace(calm, rules=(*calm.rules, unknown)), NOW)

    assert (mostly.text, mostly.colour) == (
        "Nothing fires, but 2 of 3 rules cannot say", "gray",
    )  # fmt: skip
    assert (partly.text, partly.colour) == ("Nothing fires", "green")


def test_what_is_held_back_is_not_called_muted() -> None:
    held = {"cause": "CRITICAL-003", "until": "2026-11-26T09:30:00+00:00"}

    assert alerts_words.mute(held) == "held back"
    assert alerts_words.mute({"cause": "WATCH-001-DATABASE"}) == "muted"
    assert alerts_words.mute(None) == ""
    assert alerts_words.muted(held, {}) == (
        "Held back until 09:30 UTC: CRITICAL-003 has told of the same attempts"
    )


@pytest.mark.parametrize(
    ("span", "words"),
    [
        (timedelta(seconds=-3), "0 s"),
        (timedelta(seconds=59.9), "59 s"),
        (timedelta(minutes=3, seconds=5), "3 min 05 s"),
        (timedelta(hours=2, minutes=4), "2 h 04 min"),
        (timedelta(days=1, hours=3), "1 d 3 h"),
    ],
    ids=["clock-set-back", "seconds", "minutes", "hours", "days"],
)
def test_a_span_is_told_so_that_one_sees_it_move(span: timedelta, words: str) -> None:
    assert alerts_words.ticking(span) == words


@pytest.mark.parametrize(
    ("heartbeat", "words", "colour"),
    [
        (HeartbeatStanding(is_configured=False), "not configured", "red"),
        (HeartbeatStanding(is_configured=True), "has never answered", "red"),
        (
            HeartbeatStanding(True, 9, NOW, NOW - 4 * SECOND, None),  # noqa: FBT003  # its field
            "4 s ago",
            "green",
        ),
        (
            HeartbeatStanding(True, 9, NOW, NOW - 31 * SECOND, "timeout"),  # noqa: FBT003
            "31 s ago",
            "red",
        ),
    ],
    ids=["none", "silent", "fresh", "old"],
)
def test_a_watcher_that_does_not_hear_us_is_red(
    heartbeat: HeartbeatStanding, words: str, colour: str
) -> None:
    said = alerts_words.heartbeat(heartbeat, TICKS.interval, NOW)

    assert (said.text, said.colour) == (words, colour)


def test_an_address_says_what_was_asked_for() -> None:
    asked = Asked(Show.HISTORY, UUID(int=7), "HIGH-003", "HIGH", "30 d", "webhook", "failed")

    assert alerts_address.read(alerts_address.parameters(asked)) == asked
    assert alerts_address.parameters(Asked()) == {}


def test_what_a_picture_shows_stays_within_its_span_and_is_no_markup() -> None:
    hostile = "<a href='https://evil.example'>x</a>"
    bars = [
        Bar(hostile, "CRITICAL", NOW - SECOND, None),
        Bar("HIGH-003", "HIGH", NOW - timedelta(days=3), NOW - timedelta(hours=20), is_muted=True),
        Bar("HIGH-003", "HIGH", NOW - timedelta(hours=9), NOW - timedelta(hours=8)),
    ]
    since = NOW - timedelta(hours=24)

    figure = json.loads(alerts_timeline.draw(Timeline(since, NOW, bars, (hostile, "HIGH-003"))))

    assert "<a href" not in json.dumps(figure)
    assert {each["name"] for each in figure["data"]} == {"CRITICAL", "HIGH", "HIGH, muted"}
    for trace in figure["data"]:
        for base, length in zip(trace["base"], trace["x"], strict=True):
            begin = datetime.fromisoformat(base).replace(tzinfo=UTC)
            assert since <= begin
            assert begin + timedelta(milliseconds=length) <= NOW
            # However short, it is wide enough to be seen.
            assert length >= 259_200


def test_an_edited_rule_holds_only_what_differs_from_the_release() -> None:
    rule = RULES["HIGH-003"]
    said = alerts_edit.written(rule)

    assert said == {
        "threshold": "5 %", "least": "20", "hold": "0 s", "keep": "5 min", "enabled": True,
    }  # fmt: skip
    assert alerts_edit.body_of(rule, said) == {}
    assert alerts_edit.body_of(rule, {**said, "threshold": " 2.5 % ", "least": "40"}) == {
        "threshold": "2.5 %", "least": 40,
    }  # fmt: skip
    with pytest.raises(SetupError, match="HIGH-003: keep"):
        alerts_edit.body_of(rule, {**said, "keep": "soon"})


@pytest.mark.parametrize("rule_id", list(RULES))
def test_what_may_be_changed_of_a_rule_is_written_so_that_it_is_read_the_same(
    rule_id: str,
) -> None:
    rule = RULES[rule_id]

    assert alerts_edit.in_force(rule, alerts_edit.written(rule) | _whole(rule_id)) == rule


def test_a_rule_that_never_says_when_nobody_comes_can_be_edited_back() -> None:
    rule = RULES["HIGH-002"]
    body = alerts_edit.body_of(rule, {"no_data_after": "never"})

    never = alerts_edit.in_force(rule, body)

    assert body == {"no_data_after": "never"}
    assert never is not None
    assert alerts_edit.written(rule, never) == {**alerts_edit.written(rule), **body}
    assert "no data" in alerts_words.timing(rule)
    assert "no data" not in alerts_words.timing(never)
    assert alerts_edit.body_of(rule, {"no_data_after": "15 min"}) == {}


def _whole(rule_id: str) -> dict[str, int]:
    """A count is a whole number in a change, and a text in a field."""
    least = alerts_edit.written(RULES[rule_id]).get("least")
    return {} if least is None else {"least": int(least)}


@pytest.mark.parametrize("rule_id", list(RULES))
def test_every_rule_has_a_section_that_a_page_can_show(rule_id: str) -> None:
    said = runbook.alert_section(RULES[rule_id].runbook or rule_id)

    assert said is not None
    assert "$" not in said, "it would begin a formula"
    assert ".md)" not in said, "a link of the documentation leads nowhere from a page"


def test_a_code_in_a_runbook_leads_to_the_page_of_errors() -> None:
    text = "## HIGH-001\n\n[one](errors.md#database_timeout), [two](../how-to/a.md).\n"

    said = runbook.section_of(text, "HIGH-001")

    assert said == "[one](errors?code=DATABASE_TIMEOUT), two: `docs/how-to/a.md`."
