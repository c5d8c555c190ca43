"""The fields of alerts that were delivered, of an evaluator that has run."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from psycopg.types.json import Jsonb
from pydantic import SecretStr

from engine.database.target import Target
from engine.errors import ErrorCode
from engine.readiness.assessment import Verdict
from engine.readiness.probes.alert_schema import ASKED
from engine.settings import Settings
from tests.database.alerting import Bench, alert_bench
from tests.database.attempt_rows import AGENTS
from tests.database.releases import Lookout
from tests.sabotage import sabotage

DELIVER = "UPDATE alert_outbox SET state = 'delivered', ended_at = made_at RETURNING id"
SET = "UPDATE alert_outbox SET body = jsonb_set(body, %s, %s) WHERE body ->> 'ruleId' = %s"
RULE = "CRITICAL-003"
SECRET = "secret-of-the-webhook"  # noqa: S105  # of a test


@pytest.fixture
def bench(settings: Settings, target: Target) -> Iterator[Bench]:
    kept = settings.model_copy(update={"alert_webhook_secret": SecretStr(SECRET)})
    with alert_bench(kept, target) as opened:
        yield opened


@pytest.fixture
def look(bench: Bench) -> Lookout:
    """Two rules have fired because of one code, and both channels have taken that."""
    look = Lookout(bench.runtime, environment=bench.runtime.settings.environment)
    look.deployed(bench.clock.now() - timedelta(hours=3))
    bench.save(100)
    bench.tick()
    bench.fail(ErrorCode.DATABASE_TIMEOUT, 60)
    bench.tick()
    return look


def fields(look: Lookout) -> dict[str, Any]:
    shared: dict[str, Any] = {}
    return {field: look("alert.schema", box, shared) for box, field in ASKED.items()}


def test_what_a_real_alert_was_delivered_with_is_whole_and_is_what_the_ledger_has(
    bench: Bench, look: Lookout
) -> None:
    undelivered = fields(look)
    bench.rows(DELIVER)
    for _ in range(3):
        bench.clock.advance(timedelta(seconds=290))
        bench.save(100)
        bench.tick()
    for _ in range(14):
        bench.attempts(300, duration_us=2_000_000)
        turned_away = {"outcome": 3, "agent_id": AGENTS[0], "duration_us": 0}
        bench.fail(ErrorCode.AUTHENTICATION_FAILED, 300, **turned_away)
        bench.tick(60)
    bench.rows(DELIVER)

    found = fields(look)

    rules = {each["body"]["ruleId"] for each in bench.outbox()}
    assert rules >= {RULE, "MEDIUM-003", "BURN-latency_p95-2", "WATCH-001"}
    assert {each.verdict for each in undelivered.values()} == {Verdict.INSUFFICIENT}
    assert {each.verdict for each in found.values()} == {Verdict.PASSING}, found
    assert found["metrics"].numbers["countedAgain"] > 1
    assert found["correlationId"].numbers["lookedUp"] > 0
    assert found["errorCode"].numbers["alerts"] >= len(bench.outbox(RULE)) == 4


FAULTS: tuple[tuple[str, list[str], Any, str], ...] = (
    ("errorCode", ["errorCode"], "DATABASE_SLOW", "is no code"),
    ("severity", ["severity"], "HIGH", "HIGH, while CRITICAL-003 is CRITICAL"),
    ("severity", ["severity"], "URGENT", "is no severity"),
    ("message", ["message"], " ", "is empty"),
    ("message", ["message"], "<b>12</b> timeouts", "is not plain text"),
    ("message", ["message"], f"signed with {SECRET}", "a secret of the settings"),
    ("metrics", ["metrics", "p95_ms"], None, "has no p95_ms"),
    ("metrics", ["metrics", "share"], 0.01, "says a share"),
    ("metrics", ["metrics"], [], "is no object"),
    ("timestamp", ["timestamp"], "2026-11-26 07:30", "is no instant in UTC"),
    ("timestamp", ["timestamp"], "2026-11-26T07:30:00Z", "from its alert's"),
    ("environment", ["environment"], "staging", "is not development"),
    ("correlationId", ["correlationId"], "", "is empty"),
    ("correlationId", ["correlationId"], "REQ-01900000-0000-7000-8000-00000000dead", "nowhere"),
)


@sabotage("alert.schema", *ASKED)
def test_a_field_that_is_wrong_in_one_delivered_alert_turns_its_own_box_red(
    bench: Bench, look: Lookout
) -> None:
    bench.rows(DELIVER)
    whole = {str(row["id"]): row["body"] for row in bench.outbox(RULE)}

    for field, path, value, words in FAULTS:
        bench.rows(f"{SET} RETURNING id", path, Jsonb(value), RULE)
        found = fields(look)
        red = {name for name, each in found.items() if each.verdict is Verdict.FAILING}
        assert red == {field}, (field, found)
        assert words in found[field].reason
        for row_id, body in whole.items():
            restore = "UPDATE alert_outbox SET body = %s WHERE id = %s RETURNING id"
            bench.rows(restore, Jsonb(body), row_id)


@sabotage("alert.schema", "POST-5.3.4")
def test_more_attempts_than_the_ledger_has_are_red(bench: Bench, look: Lookout) -> None:
    bench.rows(DELIVER)
    told = bench.outbox(RULE)[0]["body"]["metrics"]
    more = told | {"attempts": told["attempts"] * 2, "bad": told["bad"] * 2}
    bench.rows(f"{SET} RETURNING id", ["metrics"], Jsonb(more), RULE)

    found = fields(look)["metrics"]

    assert found.verdict is Verdict.FAILING
    assert f"metrics told 120 of {more['attempts']}, the ledger has 60 of 160" in found.reason
