"""When a tick is due, who is told and why not, what is only a sign, and where an alert leads."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID

import pytest

from dashboard import alerts_address
from dashboard.addresses import read_attempts
from engine.alerting.deciding import message
from engine.alerting.inhibition import HELD_BACK, causes, held_back, is_loud
from engine.alerting.links import alert_url, dashboard_url, runbook_url
from engine.alerting.loading import own_rules
from engine.alerting.matching import Matcher, Silence, silence_of
from engine.alerting.notices import NoticeKind
from engine.alerting.rules import AlertSeverity, Rule
from engine.alerting.telling import REPEAT_AFTER, Why, of_end, of_firing
from engine.alerting.ticking import Newest, due_after, is_due, newest
from engine.alerting.worst import bad_of
from engine.clock import SystemClock
from engine.settings import Settings
from engine.slo.objectives import PARTS

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
TEN = timedelta(seconds=10)
RULES = {rule.id: rule for rule in own_rules()}
DATABASE = "WATCH-001-DATABASE"


def seconds(number: float) -> datetime:
    return NOW + timedelta(seconds=number)


@pytest.mark.parametrize(
    ("started", "following"),
    [
        pytest.param(0, 10, id="in time"),
        pytest.param(9.9, 10, id="late, but in its own interval"),
        pytest.param(10, 20, id="a whole interval late"),
        pytest.param(3600, 3610, id="an hour late: no burst makes up for it"),
    ],
)
def test_a_tick_is_due_an_interval_after_the_one_before_was(
    started: float, following: float
) -> None:
    assert due_after(NOW, seconds(started), TEN) == seconds(following)


@pytest.mark.parametrize(
    ("now", "due"),
    [
        pytest.param(-0.1, False, id="early"),
        pytest.param(0, True, id="on time"),
        pytest.param(-10.1, True, id="the clock was set back"),
    ],
)
def test_a_tick_is_due_at_its_time_or_when_the_clock_would_make_it_wait_for_ever(
    now: float, *, due: bool
) -> None:
    assert is_due(NOW, seconds(now), TEN) is due


@pytest.mark.parametrize(
    ("before", "age_s", "began_at"),
    [
        pytest.param(None, 7, 93, id="at first by the clocks"),
        pytest.param(None, -30, 100, id="of a clock before ours"),
        pytest.param(Newest(4, 80, 95), 2, 98, id="another one since the last look"),
        pytest.param(Newest(4, 80, 95), 32, 95, id="of a clock behind ours"),
        pytest.param(Newest(5, 80, 95), 7, 80, id="still the same one"),
    ],
)
def test_how_long_the_newest_tick_is_the_newest_is_known_without_the_clock_of_others(
    before: Newest | None, age_s: float, began_at: float
) -> None:
    assert newest(before, 5, age_s, 100) == Newest(5, began_at, 100)


@pytest.mark.parametrize(
    ("told_minutes_ago", "is_muted", "is_acknowledged", "kind", "why"),
    [
        pytest.param(None, False, False, NoticeKind.FIRING, Why.BEGINS, id="begins"),
        pytest.param(None, True, False, None, Why.MUTED, id="muted"),
        pytest.param(None, False, True, NoticeKind.FIRING, Why.BEGINS, id="in hand, never told"),
        pytest.param(29, False, False, None, Why.RECENT, id="told a moment ago"),
        pytest.param(30, False, False, NoticeKind.REPEAT, Why.AGAIN, id="told long ago"),
        pytest.param(30, False, True, None, Why.HANDLED, id="in hand"),
        pytest.param(30, True, False, None, Why.MUTED, id="told long ago, muted since"),
    ],
)
def test_somebody_is_told_when_it_begins_and_again_until_somebody_has_it_in_hand(
    told_minutes_ago: int | None,
    kind: NoticeKind | None,
    why: Why,
    *,
    is_muted: bool,
    is_acknowledged: bool,
) -> None:
    told_at = None if told_minutes_ago is None else NOW - timedelta(minutes=told_minutes_ago)

    told = of_firing(
        AlertSeverity.CRITICAL,
        NOW,
        is_new=told_at is None,
        is_muted=is_muted,
        is_acknowledged=is_acknowledged,
        told_at=told_at,
    )

    assert (told.kind, told.why) == (kind, why)


def test_what_was_muted_and_still_fires_is_told_when_it_is_not_muted_any_more() -> None:
    told = of_firing(
        AlertSeverity.HIGH, NOW, is_new=False, is_muted=False, is_acknowledged=False, told_at=None
    )

    assert (told.kind, told.why) == (NoticeKind.FIRING, Why.STILL_FIRES)


def test_the_end_is_told_to_those_who_were_told_of_the_beginning() -> None:
    assert of_end(NOW).kind is NoticeKind.RESOLVED
    assert of_end(None).kind is None


def test_the_louder_an_alert_the_sooner_it_is_repeated() -> None:
    assert sorted(REPEAT_AFTER, key=REPEAT_AFTER.__getitem__, reverse=True) == list(AlertSeverity)


def test_a_database_that_does_not_answer_explains_what_fails_and_not_what_callers_do() -> None:
    explained = causes(own_rules(), {DATABASE, "WATCH-001"})

    assert set(explained.values()) == {DATABASE}
    assert RULES.keys() - explained.keys() == {
        DATABASE, "HIGH-005", "MEDIUM-001", "MEDIUM-002", "MEDIUM-003", "BUDGET-conflict_rate",
        "BUDGET-validation_rate",
    }  # fmt: skip


def test_an_evaluator_that_stood_still_explains_what_stood_still_beside_it() -> None:
    assert causes(own_rules(), {"WATCH-001"}) == {
        "WATCH-001-ROLLER": "WATCH-001", "WATCH-001-SPOOL": "WATCH-001",
    }  # fmt: skip
    assert causes(own_rules(), {"CRITICAL-003", "WATCH-001-ROLLER"}) == {}


@pytest.mark.parametrize(
    ("rule_id", "told", "cause"),
    [
        ("BURN-critical_error_rate-1", ["HIGH-001", "CRITICAL-002"], "CRITICAL-002"),
        ("BURN-service_success_rate-4", ["CRITICAL-003"], "CRITICAL-003"),
        (
            "BURN-service_success_rate-4",
            ["BURN-service_success_rate-1"],
            "BURN-service_success_rate-1",
        ),
        ("BURN-latency_p95-3", ["HIGH-003"], "HIGH-003"),
        # Of others nobody was told, or not so loudly.
        ("BURN-latency_p95-1", ["HIGH-003"], None),
        ("BURN-latency_p95-3", ["CRITICAL-003", "HIGH-002"], None),
        ("BURN-critical_error_rate-1", ["MEDIUM-003", "WATCH-001"], None),
        ("BUDGET-validation_rate", ["MEDIUM-003"], None),
        ("BUDGET-validation_rate", ["MEDIUM-001"], "MEDIUM-001"),
        # What is no burn rate speaks for itself.
        ("HIGH-002", ["CRITICAL-003"], None),
        ("CRITICAL-001", ["CRITICAL-003"], None),
    ],
)
def test_a_burn_rate_is_held_back_by_what_was_told_of_the_same_attempts(
    rule_id: str, told: list[str], cause: str | None
) -> None:
    held = held_back(RULES[rule_id], NOW, [RULES[each] for each in told], None, NOW, is_known=True)

    until = {"until": (NOW + HELD_BACK).isoformat()}
    assert held == (None if cause is None else {"cause": cause} | until)


def test_a_burn_rate_is_held_back_to_the_end_of_half_an_hour_and_no_longer() -> None:
    rule, told = RULES["BURN-critical_error_rate-2"], [RULES["CRITICAL-003"]]
    held = held_back(rule, NOW, told, None, NOW, is_known=True)

    def later(after: timedelta, told: list[Rule], *, is_known: bool = True) -> object:
        return held_back(rule, NOW, told, held, NOW + after, is_known=is_known)

    assert later(HELD_BACK - TEN, []) == held
    assert later(HELD_BACK, told) is None
    # Nobody is called to what was, when there are no attempts to say that it still is.
    assert later(2 * HELD_BACK, [], is_known=False) == held
    # Somebody's silence is no reason to go on with it.
    assert held_back(rule, NOW, [], {"silence": "id"}, NOW, is_known=False) is None


def test_what_is_held_back_for_a_while_is_no_less_loud() -> None:
    held = held_back(
        RULES["BURN-latency_p95-3"], NOW, [RULES["HIGH-003"]], None, NOW, is_known=True
    )

    assert is_loud(None)
    assert is_loud(held)
    assert not is_loud({"cause": DATABASE})


def test_a_silence_fits_when_all_that_is_given_does() -> None:
    rule = RULES["BURN-latency_p99-1"]

    def fits(matcher: Matcher) -> bool:
        silence = Silence(SystemClock().uuid7(), matcher, seconds(1))
        return silence_of([silence], rule, "ERROR_BUDGET_BURNING", NOW) is silence

    assert fits(Matcher(rule="BURN-*"))
    assert fits(Matcher("BURN-latency_p99-1", AlertSeverity.CRITICAL, "ERROR_BUDGET_BURNING"))
    assert not fits(Matcher(rule="BURN"))
    assert not fits(Matcher(rule="burn-*"))
    assert not fits(Matcher("BURN-*", AlertSeverity.HIGH))
    assert not fits(Matcher("BURN-*", None, "DATABASE_TIMEOUT"))
    assert fits(Matcher.of(Matcher("BURN-*", AlertSeverity.CRITICAL).stored()))


def test_a_silence_holds_until_it_expires_and_never_holds_the_watchdog() -> None:
    one = Silence(SystemClock().uuid7(), Matcher(rule="*"), seconds(1))
    longer = Silence(SystemClock().uuid7(), Matcher(rule="*"), seconds(2))
    rule = RULES["CRITICAL-003"]

    assert silence_of([one, longer], rule, "DATABASE_TIMEOUT", NOW) is longer
    assert silence_of([one, longer], rule, "DATABASE_TIMEOUT", seconds(1)) is longer
    assert silence_of([one, longer], rule, "DATABASE_TIMEOUT", seconds(2)) is None
    assert silence_of([one], RULES["WATCH-001"], "WATCHDOG_STALLED", NOW) is None


@pytest.mark.parametrize("rule", own_rules(), ids=lambda rule: rule.id)
def test_an_alert_leads_to_the_attempts_of_its_window(rule: Rule) -> None:
    settings, bad = Settings(public_url="https://saveguard.example"), bad_of(rule.condition)

    url = urlsplit(dashboard_url(settings, rule, NOW))
    if bad is None:
        assert url.path == "/alerts"
        return
    assert f"{url.scheme}://{url.netloc}{url.path}" == "https://saveguard.example/attempts"
    said = read_attempts(dict(parse_qsl(url.query)))
    assert said.unread == ()
    assert said.selection is not None
    assert said.selection.window == bad.window(NOW)
    assert said.selection.wanted == bad.wanted
    assert said.selection.part is PARTS[bad.part.key]


def test_an_alert_leads_to_itself() -> None:
    alert_id = UUID(int=7)

    url = urlsplit(alert_url(Settings(public_url="https://saveguard.example"), alert_id))

    assert f"{url.scheme}://{url.netloc}{url.path}" == "https://saveguard.example/alerts"
    assert alerts_address.read(dict(parse_qsl(url.query))).alert_id == alert_id


@pytest.mark.parametrize(
    ("name", "reason", "said"),
    [
        ("Database timeouts", "Database timeouts: 6 of 26.", "Database timeouts: 6 of 26."),
        (
            "Success rate: budget does not last",
            "Success rate: the budget burns.",
            "Success rate: budget does not last: the budget burns.",
        ),
        ("Success rate", "Attempts that failed: 3.", "Success rate: Attempts that failed: 3."),
        ("Success rate", "There were no attempts.", "Success rate: There were no attempts."),
    ],
    ids=["the-name", "its-beginning", "another", "no-subject"],
)
def test_a_message_says_nothing_twice(name: str, reason: str, said: str) -> None:
    assert message(replace(RULES["CRITICAL-003"], name=name), reason) == said


def test_the_runbook_is_where_the_installation_has_it() -> None:
    settings = Settings(alert_runbook_url="https://wiki.example/alerts")

    assert runbook_url(settings, RULES["WATCH-001-ROLLER"]) == (
        "https://wiki.example/alerts#watch-001"
    )
