"""Testing the channels with nonces, and how they stand; from the terminal, too."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from threading import enumerate as enumerate_threads
from typing import Any

import psycopg
import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from engine.access.audit import Actor, Way
from engine.access.roles import Role
from engine.alerting.channel_status import ChannelStatus, channel_statuses
from engine.alerting.channel_tests import TestAlert, confirm_test, put_tests
from engine.alerting.channels.channel import ChannelName, Sent
from engine.alerting.outbox import entries, put_in
from engine.alerting.sender import Sender
from engine.alerting.tables import AlertOutbox
from engine.clock import SystemClock
from engine.database.sessions import session_of
from engine.database.target import Target
from engine.errors import Refusal
from engine.runtime import open_runtime
from engine.settings import Settings, load_settings
from engine.worker import _sending, all_jobs, open_worker
from tests.alerting_notices import notice
from tests.alerting_receivers import CHAT, SECRET, TOKEN, Reaction, bot_api, webhook
from tests.database.alert_scene import FAILING, REFUSED, SENT, Scene
from tests.database.databases import CLOCK, value
from tests.database.people import account, trail
from tests.database.shell import Shell

TERMINAL = Actor(None, "ana", Way.TERMINAL, None, "correlation")


def put(scene: Scene, actor: Actor = TERMINAL, *channels: ChannelName) -> list[TestAlert]:
    with session_of(scene.target) as session:
        made = put_tests(
            session, Settings(), scene.clock, actor, channels or [ChannelName.TELEGRAM]
        )
    assert not isinstance(made, Refusal)
    return made


def confirm(scene: Scene, typed: str, actor: Actor = TERMINAL) -> AlertOutbox | Refusal:
    with session_of(scene.target) as session:
        found = confirm_test(session, scene.clock, actor, typed)
        if isinstance(found, AlertOutbox):
            session.flush()
            session.refresh(found)
            session.expunge(found)
        return found


def told(scene: Scene, made: TestAlert) -> list[tuple[str, str, str]]:
    """What the audit trail has of a test."""
    return [
        (each["action"], each["subject_id"], each["outcome"])
        for each in trail(scene.target)
        if each["details"].get("outboxId") == str(made.outbox_id)
    ]


def statuses(scene: Scene) -> dict[str, ChannelStatus]:
    with psycopg.connect(scene.target.app) as connection:
        found = channel_statuses(connection, scene.channels.values(), scene.clock.now())
    return {each.name.value: each for each in found}


# Tests with nonces.


def test_a_test_holds_a_nonce_of_its_own_and_is_in_the_trail(scene: Scene) -> None:
    first, second = put(scene, TERMINAL, ChannelName.TELEGRAM, ChannelName.WEBHOOK)

    assert first.nonce != second.nonce
    assert len(first.nonce) == 8
    assert told(scene, first) == [("channel tested", "telegram", "done")]
    assert told(scene, second) == [("channel tested", "webhook", "done")]


def test_a_test_is_sent_with_its_nonce_and_read_back_by_somebody(scene: Scene) -> None:
    (made,) = put(scene)
    scene.pass_time(2)
    scene.run("telegram")
    scene.pass_time(30)

    found = confirm(scene, f" {made.nonce[:4].lower()}-{made.nonce[4:]} ")

    (letter,) = scene.telegram.sent
    assert letter.nonce == made.nonce
    assert letter.body["errorCode"] == "TEST_ALERT"
    assert isinstance(found, AlertOutbox)
    assert found.ended_at is not None
    assert found.echoed_at is not None
    assert (found.ended_at - found.made_at, found.echoed_at - found.made_at) == (
        timedelta(seconds=2), timedelta(seconds=32),
    )  # fmt: skip
    assert found.echoed_by == "ana"
    assert told(scene, made) == [("channel tested", "telegram", "done")] * 2


def test_who_has_read_it_first_stays_named(scene: Scene) -> None:
    (made,) = put(scene)
    scene.telegram.answer = Sent("1", 200, "taken", echo=made.nonce)
    scene.run("telegram")

    found = confirm(scene, made.nonce)

    assert isinstance(found, AlertOutbox)
    assert found.echoed_by == "the receiver"


@pytest.mark.parametrize("typed", ["", "WRONG", "ÄÖÜ", "é" * 8])
def test_another_nonce_confirms_nothing(scene: Scene, typed: str) -> None:
    put(scene)

    found = confirm(scene, typed)

    assert isinstance(found, Refusal)
    assert [row["echoed_at"] for row in scene.rows()] == [None]


def test_a_nonce_of_yesterday_confirms_nothing(scene: Scene) -> None:
    (made,) = put(scene)
    scene.pass_time(24 * 3_600 + 1)

    assert isinstance(confirm(scene, made.nonce), Refusal)


@pytest.mark.parametrize(("role", "may"), [(Role.VIEWER, False), (Role.ON_CALL, True)])
def test_on_call_may_test_a_channel_and_a_viewer_may_not(
    scene: Scene, role: Role, may: object
) -> None:
    actor = Actor(
        account(scene.target, CLOCK, role).id,
        "lia",
        Way.PAGE,
        None,
        "correlation",
    )

    with session_of(scene.target) as session:
        made = put_tests(session, Settings(), CLOCK, actor, [ChannelName.WEBHOOK])

    assert isinstance(made, list) is may
    (event,) = [each for each in trail(scene.target) if each["account_id"] == actor.account_id]
    assert event["outcome"] == ("done" if may else "refused")
    assert len(scene.rows()) == int(bool(may))


# How the channels stand.


def test_a_channel_that_was_never_used_is_good_when_it_is_configured(scene: Scene) -> None:
    scene.telegram.missing = "TELEGRAM_BOT_TOKEN is not set"

    found = statuses(scene)

    assert {name: each.is_good for name, each in found.items()} == {
        "telegram": False, "webhook": True, "apprise": True,
    }  # fmt: skip
    assert found["telegram"].missing == "TELEGRAM_BOT_TOKEN is not set"
    assert (found["webhook"].delivered, found["webhook"].latency_median) == (0, None)


def test_what_a_channel_has_delivered_and_failed_is_counted(scene: Scene) -> None:
    for seconds in (1, 2, 9):
        scene.put(notice(), "webhook")
        scene.pass_time(seconds)
        scene.run("webhook")
    delivered_at = scene.clock.now()
    scene.pass_time(1)
    scene.webhook.answer = REFUSED
    scene.put(notice(), "webhook")
    scene.run("webhook")

    found = statuses(scene)["webhook"]

    assert (found.delivered, found.failed, found.waiting) == (3, 1, 0)
    assert (found.delivered_at, found.failed_at) == (delivered_at, scene.clock.now())
    assert found.failed_reason == "refused"
    assert found.latency_median == timedelta(seconds=2)
    assert not found.is_good


def test_a_channel_on_which_something_hangs_is_not_good_and_says_since_when(scene: Scene) -> None:
    began = scene.clock.now()
    scene.webhook.answer = FAILING
    scene.put(notice(), "webhook", "telegram", "apprise")
    scene.run("webhook")
    hanging = statuses(scene)["webhook"]
    scene.webhook.answer = SENT
    scene.pass_time(8 * 24 * 3_600)

    assert (hanging.waiting, hanging.oldest_at, hanging.retrying_reason) == (
        1, began, "server error",
    )  # fmt: skip
    assert not hanging.is_good
    assert statuses(scene)["webhook"].waiting == 1


# From the terminal.


def configured(shell: Shell, **variables: str) -> None:
    for name, given in variables.items():
        shell.patch.setenv(name, given)


def test_a_terminal_says_what_is_not_configured(saveguard: Shell) -> None:
    said = saveguard.refused("alerts", "test")

    assert "no channel is configured: TELEGRAM_BOT_TOKEN is not set; ALERT_WEBHOOK_URL" in said
    one = saveguard.refused("alerts", "test", "--channel", "webhook")
    assert one.endswith("not configured: ALERT_WEBHOOK_URL is not set")


def test_a_terminal_sends_waits_and_takes_the_nonce_back(saveguard: Shell, target: Target) -> None:
    """A worker beside it does the sending, as it does for everything."""
    clock = SystemClock()
    with bot_api() as api, webhook(_echo) as hook:
        configured(
            saveguard,
            TELEGRAM_BOT_TOKEN=TOKEN,
            TELEGRAM_CHAT_ID=CHAT,
            TELEGRAM_API_URL=api.url,
            ALERT_WEBHOOK_URL=f"{hook.url}/alerts",
            ALERT_WEBHOOK_SECRET=SECRET,
        )
        sender = Sender(load_settings(os.environ), target, clock)
        saveguard.patch.setattr(SystemClock, "sleep", lambda *_of: _run_all(sender))

        sent = saveguard("alerts", "test", "--wait", "--json")
        (telegram, web) = sent.facts
        confirmed = saveguard("alerts", "test", "--confirm", telegram["nonce"])
        for each in sender.deliveries:
            each.end()

    assert sent.code == 0
    assert (telegram["channel"], telegram["state"], telegram["receipt"]) == (
        "telegram", "delivered", "1",
    )  # fmt: skip
    assert telegram["nonce"] in api.messages[0]["text"]
    assert telegram["echoedBy"] is None
    assert (web["state"], web["echoedBy"]) == ("delivered", "the receiver")
    assert confirmed.out.startswith("telegram: read by ")
    assert api.receiver.faults == hook.faults == []


def test_a_terminal_that_waits_says_what_has_failed(saveguard: Shell, target: Target) -> None:
    with webhook(Reaction(400, b"no such hook")) as hook:
        configured(saveguard, ALERT_WEBHOOK_URL=hook.url, ALERT_WEBHOOK_SECRET=SECRET)
        sender = Sender(load_settings(os.environ), target, SystemClock())
        saveguard.patch.setattr(SystemClock, "sleep", lambda *_of: _run_all(sender))

        ended = saveguard("alerts", "test", "--wait")
        for each in sender.deliveries:
            each.end()

    assert (ended.code, ended.out) == (1, "webhook: failed: refused (no such hook)\n")


def test_without_waiting_it_is_on_its_way(saveguard: Shell) -> None:
    configured(saveguard, ALERT_WEBHOOK_URL="http://127.0.0.1:9/x")

    ended = saveguard("alerts", "test")

    assert ended.code == 0
    assert ended.out.startswith("webhook: on its way")


def _echo(request: Any) -> Reaction:
    return Reaction(body=b'{"nonce": "%b"}' % request.json["nonce"].encode())


def _run_all(sender: Sender) -> None:
    with capture_logs():
        for each in sender.deliveries:
            each.run()


# In a worker.


def test_a_worker_sends_to_each_channel_in_a_job_of_its_own(runtime: Any) -> None:
    names = [each.name for each in all_jobs(runtime)]

    assert [each for each in names if each.startswith("alerts to ")] == [
        "alerts to telegram", "alerts to webhook", "alerts to apprise",
    ]  # fmt: skip


def test_a_worker_delivers_and_leaves_nothing_open(target: Target, tmp_path: Path) -> None:
    with webhook() as hook:
        settings = Settings(
            data_dir=tmp_path,
            alert_webhook_url=SecretStr(hook.url),
            alert_webhook_secret=SecretStr(SECRET),
        )
        with psycopg.connect(target.app) as connection:
            put_in(connection, entries(notice(), ["webhook"], CLOCK.now()))
        with (
            open_runtime(settings, target) as runtime,
            open_worker(runtime, lambda opened: tuple(_sending(opened))),
        ):
            hook.wait_for(1)

    assert len(hook.received) == 1
    assert hook.faults == []
    assert [each.name for each in enumerate_threads() if each.name.startswith("alerts to")] == []
    # Settled before it left: nobody has to take a claim over.
    assert value(target.app, "SELECT state FROM alert_outbox") == "delivered"
