"""The outbox: put in once, claimed by one, settled with what follows, in order and by urgency."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from psycopg_pool import PoolTimeout
from structlog.testing import capture_logs

from engine.alerting.channels.channel import ChannelName, FailureReason, Retry, Sent
from engine.alerting.claims import _CLAIM, Tried, claim, settle
from engine.alerting.notices import Notice, NoticeKind, body_of
from engine.alerting.outbox import entries, put_in
from tests.alerting_notices import AT, HOSTILE, notice
from tests.database.alert_scene import (
    FAILING,
    IN_DOUBT,
    REFUSED,
    SENT,
    Scene,
)
from tests.database.databases import run

# Putting in.


def test_a_notice_goes_to_each_channel_once_however_often_it_is_put_in(scene: Scene) -> None:
    fired = notice()

    assert scene.put(fired, "telegram", "webhook", "heartbeat") == 2
    assert scene.put(fired, "webhook", "telegram") == 0

    assert [(row["channel"], row["escalates_to"]) for row in scene.rows()] == [
        ("telegram", ["apprise"]),
        ("webhook", ["apprise"]),
    ]


def test_each_repeat_goes_once_and_what_is_over_goes_besides(scene: Scene) -> None:
    fired = notice()
    again = notice(kind=NoticeKind.REPEAT, alert_id=fired.alert_id)
    over = notice(kind=NoticeKind.RESOLVED, alert_id=fired.alert_id)

    put = [
        scene.put(fired, "webhook"),
        scene.put(again, "webhook", told_at=AT),
        scene.put(again, "webhook", told_at=AT),
        scene.put(again, "webhook", told_at=AT + timedelta(hours=1)),
        scene.put(over, "webhook"),
        scene.put(over, "webhook"),
    ]

    assert put == [1, 1, 0, 1, 1, 0]


def test_a_channel_that_there_is_not_is_refused(scene: Scene) -> None:
    with pytest.raises(ValueError, match="carrier pigeon"):
        scene.put(notice(), "carrier pigeon")


def test_a_notice_with_any_text_is_kept_and_sent(scene: Scene) -> None:
    scene.put(notice(message=HOSTILE), "webhook")

    scene.run("webhook")

    (letter,) = scene.webhook.sent
    assert letter.body["message"] == HOSTILE.replace("\x00", "\ufffd").replace("\ud83d", "?")


def test_what_is_decided_and_what_is_told_of_it_commit_at_once(scene: Scene) -> None:
    with psycopg.connect(scene.target.app) as connection:
        put_in(connection, entries(notice(), ["webhook"], AT))
        assert scene.run("webhook") == 0
        connection.rollback()

    assert scene.rows() == []


# Sending.


def test_what_is_delivered_says_when_with_which_receipt_and_after_how_many_tries(
    scene: Scene,
) -> None:
    scene.put(notice(), "telegram")
    scene.pass_time(2)

    with capture_logs() as logs:
        assert scene.run() == 1

    (row,) = scene.rows()
    assert (row["state"], row["receipt"], row["answer"], row["tries"], row["reason"]) == (
        "delivered", "receipt", "taken", 1, None,
    )  # fmt: skip
    assert row["ended_at"] - row["made_at"] == timedelta(seconds=2)
    assert (row["claimed_by"], row["next_at"], row["is_perhaps_repeated"]) == (None, None, False)
    assert scene.tries() == [(1, "sent", None)]
    (told,) = logs
    assert (told["event"], told["seconds"], told["correlation_id"]) == (
        "alert_delivered", 2.0, "01900000-0000-7000-8000-00000000c0de",
    )  # fmt: skip


def test_the_most_urgent_goes_first_and_then_the_one_that_has_waited_longest(scene: Scene) -> None:
    for number, severity in enumerate(["MEDIUM", "HIGH", "CRITICAL", "HIGH", "CRITICAL"]):
        scene.put(notice(severity=severity, message=f"{number}"), "webhook")
        scene.pass_time(1)

    scene.run("webhook")

    assert [each.body["message"] for each in scene.webhook.sent] == ["2", "4", "1", "3", "0"]


def test_a_failed_try_is_repeated_later_and_later(scene: Scene) -> None:
    scene.webhook.answer = FAILING
    scene.put(notice(severity="CRITICAL"), "webhook", "telegram", "apprise")

    waits = []
    for _ in range(8):
        before = len(scene.webhook.sent)
        seconds = 0
        while len(scene.webhook.sent) == before:
            scene.pass_time(0.25)
            seconds += 1
            scene.run("webhook")
        waits.append(seconds / 4)

    assert waits == sorted(waits)
    assert waits[0] <= 1
    assert waits[-1] >= 30
    assert {result for _, result, _ in scene.tries()} == {"retry"}
    assert scene.rows()[-1]["reason"] == "server error"


def test_a_channel_that_asks_to_wait_is_not_tried_before(scene: Scene) -> None:
    scene.webhook.answer = Retry(FailureReason.RATE_LIMITED, timedelta(seconds=40), 429)
    scene.put(notice(), "webhook", "telegram", "apprise")

    scene.run("webhook")
    scene.webhook.answer = SENT
    scene.pass_time(39)
    assert scene.run("webhook") == 0
    scene.pass_time(1)
    assert scene.run("webhook") == 1


def test_a_dead_channel_delays_no_other(scene: Scene) -> None:
    scene.webhook.answer = FAILING
    scene.put_many(20, "webhook", "telegram")

    assert scene.run("telegram") == 20

    assert len(scene.telegram.sent) == 20


def test_a_channel_that_fails_again_and_again_is_left_alone_for_a_while(scene: Scene) -> None:
    """Each try would cost a timeout, and count."""
    scene.webhook.answer = FAILING
    scene.put_many(50, "webhook", "telegram", "apprise")

    scene.run("webhook")
    assert len(scene.webhook.sent) == 3
    for _ in range(40):
        scene.pass_time(3)
        scene.run("webhook")

    assert len(scene.webhook.sent) < 15
    scene.webhook.answer = SENT
    scene.pass_time(31)
    scene.run("webhook")
    scene.pass_time(61)
    scene.run("webhook")
    assert {state for channel, _, state in scene.states() if channel == "webhook"} == {"delivered"}


def test_a_channel_that_paces_itself_is_not_claimed_for(scene: Scene) -> None:
    scene.telegram.seconds = 0.5
    scene.put(notice(), "telegram")

    assert scene.run("telegram") == 0
    assert scene.rows()[0]["state"] == "waiting"


# Claims.


def test_a_claim_is_one_processes_alone(scene: Scene) -> None:
    other = scene.another()
    scene.put(notice(), "webhook")
    seen: list[int] = []
    scene.webhook.before = lambda: seen.append(scene.delivery("webhook", other).run())

    scene.run("webhook")

    assert seen == [0]
    assert len(scene.webhook.sent) == 1
    for each in other.deliveries:
        each.end()


def test_a_notice_that_somebody_else_has_in_hand_is_passed_by_without_waiting(
    scene: Scene,
) -> None:
    scene.put(notice(message="held"), "webhook")
    scene.pass_time(1)
    scene.put(notice(message="free"), "webhook")

    with psycopg.connect(scene.target.app) as holder:
        holder.execute("SELECT FROM alert_outbox WHERE body ->> 'message' = 'held' FOR UPDATE")
        scene.run("webhook")

    assert [each.body["message"] for each in scene.webhook.sent] == ["free"]


def _die() -> None:
    raise SystemExit


def test_a_claim_that_ran_out_is_taken_over_and_what_is_sent_says_that_it_may_repeat(
    scene: Scene,
) -> None:
    scene.put(notice(), "webhook")
    scene.webhook.before = _die
    with pytest.raises(SystemExit):
        scene.run("webhook")
    scene.webhook.before = lambda: None
    other = scene.another()

    scene.pass_time(59)
    assert scene.delivery("webhook", other).run() == 0
    scene.pass_time(1)
    assert scene.delivery("webhook", other).run() == 1

    (letter,) = scene.webhook.sent
    (row,) = scene.rows()
    assert letter.is_perhaps_repeated
    assert (row["state"], row["tries"], row["is_perhaps_repeated"]) == ("delivered", 2, True)
    assert scene.tries() == [(1, "unknown", "claim ran out"), (2, "sent", None)]
    for each in other.deliveries:
        each.end()


def test_a_process_that_comes_too_late_with_its_answer_changes_nothing(scene: Scene) -> None:
    """It slept with a claim; another has sent meanwhile, and its word stands."""
    other = scene.another()
    scene.put(notice(), "webhook")

    def sleep() -> None:
        scene.webhook.before = lambda: None
        scene.pass_time(60)
        scene.delivery("webhook", other).run()
        scene.webhook.answer = REFUSED

    scene.webhook.before = sleep
    with capture_logs() as logs:
        scene.run("webhook")

    (row,) = scene.rows()
    assert (row["state"], row["tries"]) == ("delivered", 2)
    assert [each["event"] for each in logs][-1] == "alert_claim_lost"
    for each in other.deliveries:
        each.end()


@pytest.mark.parametrize("second", ["another", "the same again"])
def test_a_claim_that_was_taken_over_is_settled_by_whoever_has_it_now(
    scene: Scene, second: str
) -> None:
    """The first one comes back while the second still sends."""
    first, lease = "the same again", timedelta(seconds=60)
    scene.put(notice(), "webhook")
    with psycopg.connect(scene.target.app, autocommit=True) as connection:
        name = ChannelName.WEBHOOK
        lost = claim(connection, name, first, AT, lease)
        held = claim(connection, name, second, AT + lease, lease)
        assert lost is not None
        assert held is not None
        late = settle(connection, Tried(lost, REFUSED, AT, AT + lease), None, ())
        state = scene.states()
        timely = settle(connection, Tried(held, SENT, AT + lease, AT + lease), None, ())

    assert (late, timely) == (False, True)
    assert state == [("webhook", "firing", "sending")]
    assert scene.states() == [("webhook", "firing", "delivered")]


@pytest.mark.parametrize(("answer", "is_marked"), [(FAILING, False), (IN_DOUBT, True)])
def test_what_may_have_arrived_is_marked_when_it_is_sent_again(
    scene: Scene, answer: Retry, is_marked: object
) -> None:
    scene.webhook.answer = answer
    scene.put(notice(), "webhook")
    scene.run("webhook")
    scene.webhook.answer = SENT
    scene.pass_time(1)

    scene.run("webhook")

    assert [each.is_perhaps_repeated for each in scene.webhook.sent] == [False, is_marked]
    assert scene.webhook.sent[0].id == scene.webhook.sent[1].id


def test_what_was_sent_while_the_database_went_away_is_settled_when_it_is_back(
    scene: Scene, server: str
) -> None:
    scene.put(notice(), "webhook")

    name = conninfo_to_dict(scene.target.app)["dbname"]
    scene.webhook.before = lambda: run(
        server,
        f"ALTER DATABASE {name} ALLOW_CONNECTIONS false",
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'",  # noqa: S608
    )
    try:
        with pytest.raises((psycopg.Error, PoolTimeout)):
            scene.run("webhook")
    finally:
        run(server, f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    scene.webhook.before = lambda: None

    while True:  # until the pool has found out
        with suppress(psycopg.Error, PoolTimeout):
            scene.run("webhook")
            break

    assert len(scene.webhook.sent) == 1
    assert scene.states() == [("webhook", "firing", "delivered")]


def test_a_mistake_of_ours_loses_no_notice(scene: Scene) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    scene.webhook.before = fail
    scene.put(notice(), "webhook")
    with capture_logs():
        scene.run("webhook")
    scene.webhook.before = lambda: None
    scene.pass_time(1)
    scene.run("webhook")

    assert scene.tries() == [(1, "retry", "internal"), (2, "sent", None)]


# Who stands in.


def test_one_that_is_refused_goes_to_the_channel_that_stands_in_at_once(scene: Scene) -> None:
    scene.telegram.answer = REFUSED
    scene.put(notice(), "telegram", "webhook")

    with capture_logs() as logs:
        scene.run("telegram")
    scene.run("apprise")

    assert sorted(scene.states()) == [
        ("apprise", "firing", "delivered"),
        ("telegram", "firing", "failed"),
        ("webhook", "firing", "waiting"),
    ]
    assert scene.apprise.sent[0].body["escalatedFrom"] == "telegram"
    assert scene.tries()[0] == (1, "permanent", "refused")
    assert [(each["event"], each["reason"]) for each in logs] == [
        ("alert_not_delivered", "refused")
    ]


def test_two_channels_that_fail_have_one_stand_in_that_is_told_once(scene: Scene) -> None:
    scene.telegram.answer = scene.webhook.answer = REFUSED
    scene.put(notice(), "telegram", "webhook")

    scene.run("telegram", "webhook", "apprise")

    assert len(scene.apprise.sent) == 1


def test_a_channel_that_is_not_configured_stands_in_for_none(scene: Scene) -> None:
    scene.telegram.missing = "TELEGRAM_BOT_TOKEN is not set"
    scene.webhook.answer = REFUSED
    scene.put(notice(), "webhook")

    scene.run("webhook")

    assert sorted(scene.states()) == [
        ("apprise", "firing", "waiting"),
        ("webhook", "firing", "failed"),
    ]


def test_while_nobody_can_stand_in_it_is_tried_for_a_day_and_else_for_minutes(
    scene: Scene,
) -> None:
    scene.webhook.answer = FAILING
    scene.apprise.missing = scene.telegram.missing = "not set"
    scene.put(notice(), "webhook")

    for _ in range(12):
        scene.pass_time(3_600)
        scene.run("webhook")
    assert scene.states() == [("webhook", "firing", "waiting")]
    scene.apprise.missing = None
    scene.pass_time(60)
    scene.run("webhook")

    assert sorted(scene.states()) == [
        ("apprise", "firing", "waiting"),
        ("webhook", "firing", "failed"),
    ]


def test_what_waits_behind_others_on_a_channel_that_fails_is_handed_over_in_time(
    scene: Scene,
) -> None:
    """A queue of hundreds, a timeout each: the last would be handed over after hours."""
    scene.webhook.answer = FAILING
    scene.put_many(150, "webhook", "telegram")

    for _ in range(33):
        scene.pass_time(10)
        scene.run("webhook")

    handed = [state for channel, _, state in scene.states() if channel == "apprise"]
    assert len(handed) == 150
    assert len(scene.webhook.sent) < 40


def test_what_waits_on_a_channel_that_wants_to_be_left_alone_for_long_is_handed_over_in_time(
    scene: Scene,
) -> None:
    """The Bot API may ask for an hour; one try says so for all that wait."""
    scene.telegram.seconds = 3_600
    scene.put_many(3, "telegram", "webhook")

    scene.run("telegram")
    assert [state for channel, _, state in scene.states() if channel == "apprise"] == []
    scene.pass_time(301)
    scene.run("telegram")

    assert len([state for channel, _, state in scene.states() if channel == "apprise"]) == 3
    assert scene.telegram.sent == []


# What is not configured.


def test_what_waits_for_a_channel_without_settings_is_set_aside_and_others_stand_in(
    scene: Scene,
) -> None:
    scene.telegram.missing = "TELEGRAM_BOT_TOKEN is not set"
    scene.put(notice(), "telegram", "webhook")

    assert scene.run("telegram") == 0
    scene.pass_time(30)
    assert scene.run("telegram") == 1

    rows = {row["channel"]: row for row in scene.rows()}
    assert (rows["telegram"]["state"], rows["telegram"]["reason"]) == (
        "not configured", "not configured",
    )  # fmt: skip
    assert rows["apprise"]["state"] == "waiting"
    assert scene.telegram.sent == []


def test_what_was_set_aside_is_sent_when_the_settings_come(scene: Scene) -> None:
    scene.telegram.missing = "TELEGRAM_BOT_TOKEN is not set"
    long_ago = notice(message="long ago")
    scene.put(long_ago, "telegram")
    scene.pass_time(3_600)
    recent = notice(message="recent")
    scene.put(recent, "telegram")
    scene.pass_time(23.5 * 3_600)
    scene.run("telegram")
    told = [state for channel, _, state in scene.states() if channel == "telegram"]
    assert told == ["not configured", "not configured"]

    scene.telegram.missing = None
    scene.run("telegram")

    assert [each.body["message"] for each in scene.telegram.sent] == ["recent"]
    rows = [row for row in scene.rows() if row["channel"] == "telegram"]
    assert [(row["body"]["message"], row["state"], row["reason"]) for row in rows] == [
        ("long ago", "failed", "too old"),
        ("recent", "delivered", None),
    ]


def test_a_test_that_was_set_aside_is_not_sent_when_nobody_waits_any_more(scene: Scene) -> None:
    scene.telegram.missing = "TELEGRAM_BOT_TOKEN is not set"
    scene.put(notice(kind=NoticeKind.TEST), "telegram")
    scene.pass_time(30)
    scene.run("telegram")
    scene.telegram.missing = None

    scene.run("telegram")

    assert scene.telegram.sent == []
    assert [row["state"] for row in scene.rows() if row["channel"] == "telegram"] == ["failed"]


# What is over.


def over(fired: Notice) -> Notice:
    return notice(kind=NoticeKind.RESOLVED, alert_id=fired.alert_id)


def test_nobody_hears_that_it_is_over_before_they_hear_that_it_began(scene: Scene) -> None:
    fired = notice()
    scene.webhook.answer = FAILING
    scene.put(fired, "webhook", "telegram", "apprise")
    scene.run("webhook")
    scene.pass_time(0.1)
    scene.put(over(fired), "webhook")

    scene.webhook.answer = SENT
    assert scene.run("webhook") == 0
    scene.pass_time(1)
    scene.run("webhook")

    assert [each.body["kind"] for each in scene.webhook.sent] == ["firing", "firing", "resolved"]


def test_what_was_never_told_is_not_told_to_be_over(scene: Scene) -> None:
    scene.put(over(notice()), "webhook", "telegram")

    scene.run()

    assert {state for _, _, state in scene.states()} == {"dropped"}
    assert {row["reason"] for row in scene.rows()} == {"never told"}
    assert scene.webhook.sent == scene.telegram.sent == scene.apprise.sent == []
    assert scene.tries() == []


def test_what_was_told_as_one_of_a_group_is_told_to_be_over(scene: Scene) -> None:
    first, second = notice(), notice()
    others = ({"alertId": str(second.alert_id), "ruleId": "HIGH-001"},)
    scene.put(notice(alert_id=first.alert_id, others=others), "webhook")
    scene.pass_time(1)
    scene.put(over(second), "webhook")

    scene.run("webhook")

    assert [each.body["kind"] for each in scene.webhook.sent] == ["firing", "resolved"]


def test_a_group_that_is_not_told_yet_holds_back_that_one_of_it_is_over(scene: Scene) -> None:
    first, second = notice(), notice()
    others = ({"alertId": str(second.alert_id), "ruleId": "HIGH-001"},)
    scene.webhook.answer = FAILING
    scene.put(notice(alert_id=first.alert_id, others=others), "webhook", "telegram", "apprise")
    scene.run("webhook")
    scene.pass_time(0.1)
    scene.put(over(second), "webhook")
    scene.webhook.answer = SENT

    assert scene.run("webhook") == 0


@pytest.mark.parametrize("is_alone", [True, False], ids=["by itself", "as one of a group"])
def test_what_is_over_together_waits_until_each_of_it_is_told_to_have_begun(
    scene: Scene, *, is_alone: bool
) -> None:
    """They began in different ticks, and a channel was away meanwhile."""
    first, second, third = notice(), notice(severity="HIGH"), notice(severity="HIGH")
    scene.put(first, "webhook")
    scene.pass_time(10)
    if is_alone:
        scene.put(second, "webhook")
    else:
        scene.put(replace(third, others=(body_of(second),)), "webhook")
    scene.pass_time(600)
    scene.put(replace(over(first), others=(body_of(over(second)),)), "webhook")

    scene.run("webhook")
    scene.run("webhook")

    told = [each.body["kind"] for each in scene.webhook.sent]
    assert told == ["firing", "firing", "resolved"]


def test_whoever_stood_in_for_the_beginning_hears_of_the_end(scene: Scene) -> None:
    fired = notice()
    scene.telegram.answer = REFUSED
    scene.put(fired, "telegram", "webhook")
    scene.run("telegram", "webhook", "apprise")
    scene.telegram.answer = SENT
    scene.pass_time(60)
    scene.put(over(fired), "telegram", "webhook")

    scene.run("telegram", "webhook", "apprise")

    assert [each.body["kind"] for each in scene.telegram.sent] == ["firing"]
    assert [each.body["kind"] for each in scene.apprise.sent] == ["firing", "resolved"]


def test_whoever_stood_in_for_a_group_hears_that_each_of_it_is_over(scene: Scene) -> None:
    first, second = notice(), notice(severity="HIGH")
    scene.webhook.missing = "ALERT_WEBHOOK_URL is not set"
    scene.put(replace(first, others=(body_of(second),)), "webhook")
    scene.pass_time(30)
    scene.run("webhook", "telegram")
    scene.put(over(second), "webhook")
    scene.pass_time(30)

    scene.run("webhook", "telegram")

    told = [(each.body["kind"], each.body["alertId"]) for each in scene.telegram.sent]
    assert told == [("firing", str(first.alert_id)), ("resolved", str(second.alert_id))]


def test_what_is_handed_over_together_is_told_in_order(scene: Scene) -> None:
    """Put in at different times, and handed over at one instant."""
    fired = notice()
    scene.telegram.missing = "TELEGRAM_BOT_TOKEN is not set"
    scene.put(fired, "telegram", "webhook")
    scene.pass_time(5)
    scene.put(over(fired), "telegram", "webhook")
    scene.pass_time(30)

    scene.apprise.answer = FAILING
    scene.run("telegram", "apprise")
    scene.apprise.answer = SENT
    scene.pass_time(1)
    scene.run("apprise")

    told = [each.body["kind"] for each in scene.apprise.sent]
    assert told == ["firing", "firing", "resolved"]


def test_one_that_failed_in_doubt_is_told_to_be_over(scene: Scene) -> None:
    """It may have been read; then somebody is still looking."""
    fired = notice()
    scene.webhook.answer = IN_DOUBT
    scene.put(fired, "webhook", "telegram")
    scene.run("webhook")
    scene.webhook.answer = REFUSED
    scene.pass_time(1)
    scene.run("webhook")
    scene.webhook.answer = SENT
    scene.put(over(fired), "webhook")

    scene.run("webhook")

    assert [each.body["kind"] for each in scene.webhook.sent] == ["firing", "firing", "resolved"]


def test_the_next_notice_is_found_by_an_index_however_much_lies_in_the_outbox(
    scene: Scene,
) -> None:
    target = scene.target
    run(target.owner, _MANY, "ANALYZE alert_outbox")
    with psycopg.connect(target.app) as connection:
        values = {"channel": "webhook", "by": "me", "now": AT, "until": AT}
        plan = "\n".join(
            row[0] for row in connection.execute(f"EXPLAIN {_CLAIM}".encode(), values).fetchall()
        )

    assert "Index Scan using alert_outbox_due_idx on alert_outbox d" in plan, plan
    assert "Seq Scan on alert_outbox" not in plan, plan


_MANY = """
    INSERT INTO alert_outbox (
        id, alert_id, kind, channel, escalates_to, urgency, body, made_at, state, tries, next_at,
        is_perhaps_repeated
    )
    SELECT gen_random_uuid(), gen_random_uuid(), 'firing', 'webhook', '{}', n % 3 + 1,
        '{"others": []}', '2026-11-26T07:00Z',
        CASE WHEN n > 300 THEN 'delivered' ELSE 'waiting' END, 0, '2026-11-26T07:00Z', false
    FROM generate_series(1, 5000) AS n
"""


def test_a_nonce_that_comes_back_in_the_answer_is_kept(scene: Scene) -> None:
    scene.put(notice(), "webhook")
    scene.webhook.answer = Sent(None, 200, "taken", echo="NONCE")

    scene.run("webhook")

    (row,) = scene.rows()
    assert (row["echoed_at"], row["echoed_by"]) == (AT, "the receiver")
