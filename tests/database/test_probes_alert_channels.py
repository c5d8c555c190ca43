"""The probes of the channels: what is set, who answers, and what came back of a test."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import SecretStr

from engine.alerting.channels.webhook import HookFacts
from engine.database.target import Target
from engine.readiness.assessment import Verdict
from engine.readiness.probes import alert_channels
from engine.runtime import Runtime
from engine.settings import Settings
from tests import alerting_receivers
from tests.alerting_receivers import CHAT, TOKEN, BotApi, bot_api
from tests.database.releases import Lookout, ago, at_noon
from tests.database.watched import put_out
from tests.faults.proxy import free_port
from tests.sabotage import sabotage

HOOK = "https://hooks.example/of/ours"


@pytest.fixture
def api() -> Iterator[BotApi]:
    with bot_api() as opened:
        yield opened


def of_telegram(url: str, **changes: Any) -> Settings:
    given = {
        "telegram_bot_token": SecretStr(TOKEN),
        "telegram_chat_id": CHAT,
        "telegram_api_url": url,
    }
    return Settings(**(given | changes))


def hooked(url: str = HOOK) -> Settings:
    return Settings(alert_webhook_url=SecretStr(url))


# --- Telegram -------------------------------------------------------------------------------------


@sabotage("tg.getme", "PRE-4.5.1")
@sabotage("tg.getchat", "PRE-4.5.2")
def test_a_bot_and_its_chat_are_green_and_red_once_they_are_not_set_or_not_known(
    runtime: Runtime, api: BotApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = Lookout(runtime)

    def both(settings: Settings) -> list[tuple[Verdict, str]]:
        found = look("tg.getme", settings=settings), look("tg.getchat", settings=settings)
        assert TOKEN.partition(":")[2] not in repr(found)
        return [(each.verdict, each.reason) for each in found]

    good = both(of_telegram(api.url))
    unset = both(of_telegram(api.url, telegram_bot_token=None))
    without_chat = both(of_telegram(api.url, telegram_chat_id=None))
    stranger = both(of_telegram(api.url, telegram_bot_token=SecretStr("1:AAother")))
    away = both(of_telegram(f"http://127.0.0.1:{free_port()}"))
    known = {**alerting_receivers._LOOK_UPS, "getChatMember": {"status": "left"}}
    monkeypatch.setattr(alerting_receivers, "_LOOK_UPS", known)
    thrown_out = both(of_telegram(api.url))

    assert good == [
        (Verdict.PASSING, "The Bot API knows the token as that of @saveguard_bot"),
        (
            Verdict.PASSING,
            "The Bot API knows the chat, a supergroup, and does not say that the bot may not write",
        ),
    ]
    assert unset == [(Verdict.FAILING, "TELEGRAM_BOT_TOKEN is not set")] * 2
    assert without_chat == [good[0], (Verdict.FAILING, "TELEGRAM_CHAT_ID is not set")]
    assert [each for each, _ in stranger] == [Verdict.FAILING] * 2
    assert away == [(Verdict.UNKNOWN, "The Bot API has not answered: unreachable")] * 2
    assert thrown_out == [
        good[0],
        (Verdict.FAILING, "The Bot API refuses: credentials (the bot may not write there)"),
    ]


# --- the webhook ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("facts", "environment", "verdict", "words"),
    [
        (HookFacts("hooks.example", None, certificate_days=14), "production", "passing", "14 days"),
        pytest.param(
            HookFacts("hooks.example", None, certificate_days=13), "production", "failing",
            "ends in 13 days", marks=sabotage("hook.lint", "PRE-4.6.1"),
        ),
        pytest.param(
            HookFacts("localhost", None, is_loopback=True), "production", "failing",
            "will not do for production", marks=sabotage("hook.lint", "PRE-4.6.1"),
        ),
        (HookFacts("localhost", None, is_loopback=True), "development", "passing", "will do"),
    ],
    ids=["good", "ends soon", "here", "here in development"],
)  # fmt: skip
def test_what_is_known_of_a_webhook_decides(
    runtime: Runtime,
    monkeypatch: pytest.MonkeyPatch,
    facts: HookFacts,
    environment: str,
    verdict: str,
    words: str,
) -> None:
    monkeypatch.setattr(alert_channels, "look_at", lambda *_: facts)

    found = Lookout(runtime, environment=environment)("hook.lint")

    assert found.verdict == Verdict(verdict), found
    assert words in found.reason


@sabotage("hook.lint", "PRE-4.6.1")
def test_a_webhook_that_is_not_set_or_leads_where_nothing_is_sent_is_red_and_none_there_unknown(
    runtime: Runtime,
) -> None:
    look = Lookout(runtime)
    unset = look("hook.lint", settings=Settings())
    metadata = look("hook.lint", settings=hooked("https://169.254.169.254/latest"))
    away = look("hook.lint", settings=hooked(f"https://127.0.0.1:{free_port()}/secret-path-of-us"))

    assert (unset.verdict, unset.reason) == (Verdict.FAILING, "ALERT_WEBHOOK_URL is not set")
    assert metadata.verdict is Verdict.FAILING
    assert "an address that is not sent to" in metadata.reason
    assert (away.verdict, away.reason) == (Verdict.UNKNOWN, "Of 127.0.0.1: it cannot be reached")
    assert "secret-path" not in repr(away)


# --- tests with a nonce ---------------------------------------------------------------------------

BOXES = ("PRE-4.7", "PRE-7.7", "POST-5.1", "POST-5.2")


@pytest.fixture
def look(runtime: Runtime) -> Lookout:
    return at_noon(runtime).deployed(ago(hours=3))


def a_test(target: Target, channel: str, **changes: Any) -> None:
    """A test that was taken, and whose nonce somebody has read back."""
    row = {
        "kind": "test",
        "channel": channel,
        "receipt": "17",
        "nonce": "K7QM2XWD",
        "echoed_at": ago(minutes=1),
        "echoed_by": "on-call",
        **changes,
    }
    put_out(target, **row)


def verdicts(look: Lookout) -> dict[str, Verdict]:
    return {box: look("alert.nonce", box).verdict for box in BOXES}


def test_tests_that_came_back_from_every_channel_are_green(look: Lookout, target: Target) -> None:
    nothing = verdicts(look)
    a_test(target, "telegram")
    a_test(target, "webhook")
    without_rule = verdicts(look)
    put_out(target)

    assert set(nothing.values()) == {Verdict.INSUFFICIENT}
    assert without_rule.pop("PRE-7.7") is Verdict.INSUFFICIENT
    assert set(without_rule.values()) == {Verdict.PASSING}
    assert set(verdicts(look).values()) == {Verdict.PASSING}
    found = look("alert.nonce", "PRE-4.7")
    assert found.numbers["channels"]["telegram"] == {
        "state": "delivered",
        "reason": None,
        "secondsToDelivery": 0.0,
        "receipt": "17",
        "readBackAt": found.numbers["channels"]["webhook"]["readBackAt"],
        "readBackBy": "on-call",
    }


@sabotage("alert.nonce", "PRE-4.7", "PRE-7.7", "POST-5.1", "POST-5.2")
def test_a_channel_whose_newest_test_was_not_delivered_is_red(
    look: Lookout, target: Target
) -> None:
    put_out(target)
    for channel in ("telegram", "webhook"):
        a_test(target, channel, made_at=ago(minutes=2))
    a_test(target, "telegram", state="failed", reason="credentials")
    of_telegram_alone = verdicts(look)
    a_test(target, "webhook", state="not configured", reason="not configured", echoed_at=None)

    assert of_telegram_alone.pop("POST-5.2") is Verdict.PASSING
    assert set(of_telegram_alone.values()) == {Verdict.FAILING}
    assert set(verdicts(look).values()) == {Verdict.FAILING}
    assert look("alert.nonce", "POST-5.1").reason == (
        "The newest test of telegram was not delivered: credentials"
    )


def test_a_test_that_nobody_has_read_or_that_is_too_old_shows_nothing(
    look: Lookout, target: Target
) -> None:
    put_out(target)
    a_test(target, "telegram", echoed_at=None)
    a_test(target, "webhook", made_at=ago(hours=4))

    assert set(verdicts(look).values()) == {Verdict.INSUFFICIENT}
    assert "nobody has read its nonce back" in look("alert.nonce", "POST-5.1").reason
    assert look("alert.nonce", "POST-5.2").reason == "webhook was not tested"
    a_test(target, "telegram")
    # Before the deployment a test counts from when the release was put down.
    assert look("alert.nonce", "PRE-4.7").verdict is Verdict.PASSING
