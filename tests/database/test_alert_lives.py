"""What becomes of alerts: opened, repeated, muted, acknowledged, resolved; each told once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from sqlmodel import Session

from engine.access.audit import terminal_actor
from engine.alerting.acknowledging import Disposition, acknowledge
from engine.alerting.loading import own_rules
from engine.alerting.matching import Matcher
from engine.alerting.rules import AlertSeverity
from engine.alerting.silences import add_silence, end_silence, preview
from engine.correlation import has_valid_check
from engine.database.sessions import session_of
from engine.database.target import Target
from engine.errors import ErrorCode, Refusal
from engine.settings import Settings
from tests.database.alerting import Bench, Row, alert_bench

TIMEOUT = ErrorCode.DATABASE_TIMEOUT
RULE = "CRITICAL-003"
KEEP = 300.0


@pytest.fixture
def bench(settings: Settings, target: Target) -> Iterator[Bench]:
    with alert_bench(settings, target) as opened:
        yield opened


@pytest.fixture
def session(target: Target) -> Iterator[Session]:
    with session_of(target) as opened:
        yield opened


def calm(bench: Bench) -> None:
    """Attempts go on without failures, until what failed lies behind the window and its keep."""
    for after in (KEEP + 10, KEEP, 10):
        bench.clock.advance(timedelta(seconds=after - 10))
        bench.save(20)
        bench.tick()


def told(bench: Bench, rule_id: str = RULE) -> list[tuple[str, str]]:
    """The notices of a rule by kind and channel, in their order."""
    return [(each["kind"], each["channel"]) for each in bench.outbox(rule_id)]


def silence(bench: Bench, matcher: Matcher, minutes: float = 30) -> UUID:
    clock = bench.clock
    with session_of(bench.runtime.target) as session:
        made = add_silence(
            session,
            clock,
            terminal_actor(clock, "ines"),
            own_rules(),
            matcher=matcher,
            expires_at=clock.now() + timedelta(minutes=minutes),
            reason="moving the disk",
        )
    assert isinstance(made, UUID), made
    return made


def transitions(bench: Bench, rule_id: str = RULE) -> list[Row]:
    return bench.rows(
        "SELECT * FROM alert_transition WHERE rule_id = %s ORDER BY happened_at, id", rule_id
    )


def test_an_alert_tells_each_channel_when_it_begins_and_when_it_is_over(bench: Bench) -> None:
    bench.save(20)
    bench.tick()
    bench.save(100)
    *_, newest = bench.fail(TIMEOUT, 3, duration_us=2_000_000)
    bench.tick(4 + 6)
    began = bench.clock.now()
    calm(bench)

    alert = bench.alert(RULE)
    assert told(bench) == [
        ("firing", "telegram"), ("firing", "webhook"),
        ("resolved", "telegram"), ("resolved", "webhook"),
    ]  # fmt: skip
    assert (alert["fired_at"], alert["error_code"]) == (began, "DATABASE_TIMEOUT")
    assert alert["correlation_id"] == newest
    firing, *_, resolved = bench.outbox(RULE)
    numbers = firing["body"]["metrics"]
    assert {name: numbers[name] for name in ("attempts", "bad", "window_s")} == {
        "attempts": 123,
        "bad": 3,
        "window_s": 300,
    }
    assert numbers["share"] == pytest.approx(3 / 123)
    assert numbers["p99_ms"] == pytest.approx(2000, rel=0.02)
    assert firing["body"]["errorCode"] == "DATABASE_TIMEOUT"
    assert firing["body"]["severity"] == "CRITICAL"
    assert firing["body"]["correlationId"] == newest
    assert (
        resolved["body"]["durationSeconds"]
        == (alert["resolved_at"] - alert["fired_at"]).total_seconds()
    )
    assert [(each["before"], each["after"]) for each in transitions(bench)][-2:] == [
        ("inactive", "firing"), ("firing", "resolved"),
    ]  # fmt: skip


def test_percentiles_are_those_of_all_attempts_also_of_what_is_not_rolled_up_yet(
    bench: Bench,
) -> None:
    bench.save(200, duration_us=10_000)
    bench.tick()
    bench.fail(TIMEOUT, 4, duration_us=2_000_000)
    bench.clock.advance(timedelta(seconds=10))
    bench.seen()
    bench.evaluator.tick()

    body = bench.outbox(RULE)[0]["body"]
    alert, moved = bench.alert(RULE), transitions(bench)[-1]
    for numbers in (body["metrics"], alert["numbers"], moved["numbers"]):
        assert (numbers["attempts"], numbers["bad"]) == (204, 4)
        assert numbers["p95_ms"] == pytest.approx(10, rel=0.02)
        assert numbers["p99_ms"] == pytest.approx(2000, rel=0.02)


def test_every_transition_has_numbers_and_a_correlation_id(bench: Bench) -> None:
    bench.save(20)
    bench.tick()
    given = bench.fail(TIMEOUT)
    bench.tick()

    moved = bench.rows("SELECT * FROM alert_transition")
    assert all(each["reason"] and each["correlation_id"] for each in moved)
    assert all(each["numbers"] for each in moved if not each["rule_id"].startswith("WATCH"))
    ours = {each["correlation_id"] for each in moved}
    assert set(given) < ours
    assert all(has_valid_check(each) for each in ours - set(given))


def test_of_alerts_that_begin_together_one_notice_goes_out_with_the_worst_on_top(
    bench: Bench,
) -> None:
    bench.save(100)
    bench.tick()
    bench.save(20)
    bench.fail(ErrorCode.INTERNAL_ERROR, 300)
    bench.fail(TIMEOUT, 1)
    bench.tick()

    rows = [each for each in bench.outbox() if each["channel"] == "telegram"]
    assert [each["body"]["severity"] for each in rows] == ["CRITICAL"]
    (body,) = [each["body"] for each in rows]
    others = {each["ruleId"] for each in body["others"]}
    assert {"HIGH-002"} < others
    assert body["ruleId"] not in others
    firing = {rule for rule, state in bench.states().items() if state == "firing"}
    assert {body["ruleId"], *others} == {
        rule.id
        for rule in own_rules()
        if rule.id in firing and "telegram" in rule.channels and not rule.id.startswith("BURN")
    }


def test_burn_rates_beside_an_alert_of_the_same_attempts_are_told_when_they_outlast_it(
    bench: Bench,
) -> None:
    def told_of(kind: str) -> set[str]:
        rows = [each["body"] for each in bench.outbox() if each["kind"] == kind]
        found = {each["ruleId"] for body in rows for each in (body, *body["others"])}
        # Nobody looks while the clock is moved on.
        return found - {"WATCH-001"}

    def burns() -> set[str]:
        firing = {rule for rule, state in bench.states().items() if state == "firing"}
        return {each for each in firing if each.startswith(("BURN", "BUDGET"))}

    bench.save(20)
    bench.tick()
    bench.save(100)
    bench.fail(TIMEOUT, 60)
    bench.tick()
    burning = burns()
    held = [bench.alert(each)["muted_by"] for each in burning]
    began = told_of("firing")
    calm(bench)
    at_once = told_of("firing")
    bench.save(20)
    bench.tick(1800)

    assert {each["cause"] for each in held} == {RULE}
    assert len(burning) == 5
    assert began == at_once == {RULE, "HIGH-002"}
    # Those of the shortest windows are over by then, and nobody has heard of them.
    still = burns()
    assert told_of("firing") - at_once == still < burning
    assert still.isdisjoint(told_of("resolved"))


def test_what_still_fires_is_told_again_until_somebody_has_it_in_hand(bench: Bench) -> None:
    def goes_on(minutes: float) -> None:
        bench.clock.advance(timedelta(minutes=minutes, seconds=-10))
        bench.fail(TIMEOUT)
        bench.tick()

    goes_on(1)
    goes_on(15)
    goes_on(14)
    assert ("repeat", "webhook") not in told(bench)
    goes_on(1)
    assert told(bench)[-2:] == [("repeat", "telegram"), ("repeat", "webhook")]

    alert_id = bench.alert(RULE)["id"]
    actor = terminal_actor(bench.clock, "ines")
    with session_of(bench.runtime.target) as session:
        said = acknowledge(
            session, bench.clock, actor, alert_id, disposition=Disposition.REAL, remark="disk full"
        )
    assert said is None
    before = len(told(bench))
    goes_on(31)

    assert len(told(bench)) == before
    alert = bench.alert(RULE)
    assert (alert["acknowledged_by"], alert["disposition"], alert["remark"]) == (
        "ines", "real", "disk full",
    )  # fmt: skip
    (event,) = bench.rows("SELECT * FROM audit_event WHERE action = 'alert acknowledged'")
    assert (event["subject_id"], event["details"]["rule"]) == (str(alert_id), RULE)


def test_a_silenced_alert_is_opened_and_put_down_but_not_told_until_the_silence_is_over(
    bench: Bench,
) -> None:
    silence_id = silence(bench, Matcher(rule=RULE), minutes=2)
    bench.fail(TIMEOUT)
    bench.tick()

    alert = bench.alert(RULE)
    assert alert["muted_by"] == {"silence": str(silence_id)}
    assert transitions(bench)[-1]["muted_by"] == alert["muted_by"]
    assert (alert["told_at"], told(bench)) == (None, [])

    bench.fail(TIMEOUT)
    bench.tick(120)
    assert bench.alert(RULE)["muted_by"] is None
    assert told(bench) == [("firing", "telegram"), ("firing", "webhook")]
    assert bench.outbox(RULE)[0]["body"]["timestamp"].startswith(alert["fired_at"].isoformat()[:19])


def test_an_alert_that_ends_under_a_silence_leaves_nobody_told(bench: Bench) -> None:
    silence(bench, Matcher(code="DATABASE_TIMEOUT"))
    bench.fail(TIMEOUT)
    bench.tick()
    calm(bench)

    assert bench.alert(RULE)["resolved_at"] is not None
    assert told(bench) == []


def test_whoever_was_told_of_the_beginning_is_told_of_the_end_also_under_a_silence(
    bench: Bench,
) -> None:
    bench.fail(TIMEOUT)
    bench.tick()
    silence(bench, Matcher(severity=AlertSeverity.CRITICAL))
    calm(bench)

    assert [kind for kind, channel in told(bench) if channel == "webhook"] == ["firing", "resolved"]


def test_a_silence_ended_early_holds_nothing_back_any_more(bench: Bench, session: Session) -> None:
    silence_id = silence(bench, Matcher(rule="CRITICAL-*"))
    bench.fail(TIMEOUT)
    bench.tick()
    actor = terminal_actor(bench.clock, "ines")

    assert end_silence(session, bench.clock, actor, silence_id) is None
    session.commit()
    bench.fail(TIMEOUT)
    bench.tick()

    assert len(told(bench)) == 2
    actions = [each["action"] for each in bench.rows("SELECT action FROM audit_event")]
    assert actions.count("silence added") == actions.count("silence ended") == 1


def test_a_silence_that_says_too_little_or_too_much_is_refused_and_put_down(
    bench: Bench, session: Session
) -> None:
    clock, made_now = bench.clock, bench.clock.now()
    table: tuple[tuple[Matcher, int, str, str], ...] = (
        (Matcher(), 1, "why not", "Say which alerts"),
        (Matcher(rule="CRITICAL-999"), 1, "why not", "There is no rule CRITICAL-999"),
        (Matcher(rule="WATCH-*"), 1, "why not", "The watchdog cannot be silenced"),
        (Matcher(rule=RULE), 1, "  ", "Say why"),
        (Matcher(rule=RULE), -1, "why not", "It has to end later than now"),
        (Matcher(rule=RULE), 31, "why not", "It has to end later than now"),
    )
    for matcher, days, reason, said in table:
        made = add_silence(
            session,
            clock,
            terminal_actor(clock, "ines"),
            own_rules(),
            matcher=matcher,
            expires_at=made_now + timedelta(days=days),
            reason=reason,
        )
        assert isinstance(made, Refusal)
        assert made.message.startswith(said)
    session.commit()

    events = bench.rows("SELECT action, outcome FROM audit_event")
    assert events == [{"action": "silence added", "outcome": "refused"}] * len(table)
    assert bench.rows("SELECT 1 FROM alert_silence") == []


def test_a_preview_shows_what_a_silence_would_have_hidden(bench: Bench, session: Session) -> None:
    bench.fail(TIMEOUT)
    bench.tick()
    calm(bench)
    bench.clock.advance(timedelta(hours=1))

    def seen(matcher: Matcher) -> list[str]:
        return [each.rule_id for each in preview(session, own_rules(), matcher, bench.clock.now())]

    assert seen(Matcher(rule=RULE)) == [RULE]
    assert RULE in seen(Matcher(code="DATABASE_TIMEOUT"))
    assert seen(Matcher(rule=RULE, severity=AlertSeverity.HIGH)) == []
    assert seen(Matcher(rule="WATCH-001")) == []
    bench.clock.advance(timedelta(hours=24))
    assert seen(Matcher(rule=RULE)) == []


def test_a_rule_that_is_not_in_force_any_more_is_closed_and_whoever_was_told_hears_of_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.fail(TIMEOUT)
    bench.tick()
    before = told(bench)
    others = [rule for rule in own_rules() if rule.id != RULE]
    monkeypatch.setattr(bench.evaluator, "_rules_of", lambda _connection: others)
    bench.tick()
    bench.tick()

    assert bench.alert(RULE)["resolved_at"] is not None
    assert RULE not in bench.states()
    assert transitions(bench)[-1]["reason"] == "The rule is not in force any more."
    ended = [each for each in bench.outbox(RULE) if each["kind"] == "resolved"]
    assert [each["channel"] for each in ended] == ["telegram", "webhook"]
    assert ended[0]["body"]["message"].endswith("The rule is not in force any more.")
    assert len(told(bench)) == len(before) + len(ended)


def test_two_releases_that_evaluate_in_turn_page_once_for_what_only_one_of_them_knows(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new release is rolled out: its rule and the old one's silence about it take turns."""
    newer = [
        *own_rules(),
        replace(next(rule for rule in own_rules() if rule.id == RULE), id="CRITICAL-099"),
    ]
    bench.fail(TIMEOUT)
    for rules in (newer, own_rules()) * 3:
        monkeypatch.setattr(bench.evaluator, "_rules_of", lambda _connection, now=rules: now)
        bench.tick()

    alerts = bench.rows("SELECT resolved_at FROM alert WHERE rule_id = 'CRITICAL-099'")
    assert [each["resolved_at"] for each in alerts] == [None]
    monkeypatch.setattr("engine.alerting.evaluator._OTHERS_TICKS", 3)
    for _ in range(4):
        bench.tick()
    alerts = bench.rows("SELECT resolved_at FROM alert WHERE rule_id = 'CRITICAL-099'")
    assert [each["resolved_at"] is None for each in alerts] == [False]
