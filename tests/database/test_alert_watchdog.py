"""The watchdog: what stands still is told, by whoever is left, once."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from threading import Barrier

import psycopg
import pytest

from engine.alerting import records
from engine.alerting.channels.channel import (
    Channel,
    ChannelName,
    FailureReason,
    Letter,
    Permanent,
    Result,
    Retry,
    Sent,
)
from engine.alerting.evaluator import Evaluator
from engine.alerting.outage import OutageTeller
from engine.alerting.outage_file import OutageFile, outage_directory
from engine.alerting.spool_watch import SpoolWatch
from engine.alerting.watchdog import Watchdog
from engine.attempts.ledger import AttemptRow
from engine.clock import FrozenClock
from engine.database.pool import Unreachable
from engine.database.target import Target
from engine.errors import ErrorCode
from engine.settings import Settings
from engine.worker import open_worker, own_jobs
from tests.database.alerting import Bench, alert_bench
from tests.database.cluster_harness import eventually

DATABASE = "WATCH-001-DATABASE"


@dataclass
class Receiver:
    """A channel that keeps what it is sent, and answers as it is told to."""

    name: ChannelName
    missing: str | None = None
    letters: list[Letter] = field(default_factory=list)
    answers: list[Result | BaseException] = field(default_factory=list)

    def wait(self) -> float:
        return 0.0

    def send(self, letter: Letter) -> Result:
        self.letters.append(letter)
        answer = self.answers.pop(0) if self.answers else Sent("42", 200, "ok")
        if isinstance(answer, BaseException):
            raise answer
        return answer


class Gate:
    """A pool in front of a database that can be taken away."""

    def __init__(self, bench: Bench) -> None:
        self._pool = bench.runtime.alert_pool
        self.is_away = False

    def connection(self, deadline: float | None = None):  # type: ignore[no-untyped-def]  # noqa: ANN201
        if self.is_away:
            raise Unreachable("the database does not accept connections")
        return self._pool.connection(deadline)


@dataclass
class Watch:
    """A watchdog with receivers of its own, and an evaluator that waits for it."""

    bench: Bench
    gate: Gate
    receivers: dict[ChannelName, Receiver]
    dog: Watchdog
    evaluator: Evaluator

    def look(self, seconds: float = 5.0) -> int:
        """One look so many seconds later."""
        self.bench.clock.advance(timedelta(seconds=seconds))
        return self.dog.run()

    @property
    def letters(self) -> list[tuple[str, str]]:
        """What went out: by channel and rule."""
        return [
            (name.value, letter.body["ruleId"])
            for name, each in self.receivers.items()
            for letter in each.letters
        ]


def watch_of(
    bench: Bench, receivers: dict[ChannelName, Receiver], clock: FrozenClock | None = None
) -> Watch:
    settings, clock, gate = bench.runtime.settings, clock or bench.clock, Gate(bench)
    file = OutageFile(outage_directory(settings, bench.runtime.journal.directory))
    channels: dict[ChannelName, Channel] = dict(receivers.items())
    dog = Watchdog(
        gate,  # type: ignore[arg-type]  # a pool in all that is asked of it
        settings,
        clock,
        spool=SpoolWatch(bench.runtime.journal),
        file=file,
        teller=OutageTeller(file, channels, settings, clock),
    )
    pool = bench.runtime.alert_pool
    return Watch(bench, gate, receivers, dog, Evaluator(pool, settings, clock, settled=dog.settle))


@pytest.fixture
def bench(settings: Settings, target: Target) -> Iterator[Bench]:
    with alert_bench(settings, target) as opened:
        yield opened


@pytest.fixture
def watch(bench: Bench) -> Watch:
    return watch_of(bench, {name: Receiver(name) for name in ChannelName})


def test_an_evaluator_that_stands_still_is_told_once_by_all_that_watch(
    bench: Bench, watch: Watch
) -> None:
    bench.tick()
    others = [watch_of(bench, {}) for _ in range(2)]
    for _ in range(4):
        assert [watch.look(), *(each.look(0) for each in others)] == [0, 0, 0]
    bench.clock.advance(timedelta(seconds=5))
    meet = Barrier(3, timeout=30)

    def look(each: Watch) -> int:
        meet.wait()
        return each.dog.run()

    with ThreadPoolExecutor(3) as threads:
        assert sum(threads.map(look, [watch, *others])) == 1
    assert watch.look() == 0

    (row,) = bench.outbox("WATCH-001")
    assert (row["kind"], row["channel"]) == ("firing", "webhook")
    assert row["body"]["errorCode"] == "WATCHDOG_STALLED"
    alert = bench.alert("WATCH-001")
    (moved,) = bench.rows("SELECT * FROM alert_transition WHERE alert_id = %s", alert["id"])
    assert (moved["tick"], moved["correlation_id"]) == (None, alert["correlation_id"])


def test_a_standstill_is_told_again_and_over_with_the_next_tick_but_one(
    bench: Bench, watch: Watch
) -> None:
    bench.tick()
    watch.look(30)
    watch.look(1795)
    assert [each["kind"] for each in bench.outbox("WATCH-001")] == ["firing"]
    watch.look(5)
    bench.tick()
    bench.tick()

    kinds = [each["kind"] for each in bench.outbox("WATCH-001")]
    assert kinds == ["firing", "repeat", "resolved"]


@pytest.mark.parametrize("apart", [-30, 30])
def test_a_watch_that_is_not_the_evaluators_tells_a_standstill_in_time_and_nothing_else(
    bench: Bench, apart: int
) -> None:
    """Of a machine whose clock is behind, or ahead."""
    there = FrozenClock(bench.clock.now() + timedelta(seconds=apart))
    watch = watch_of(bench, {}, there)

    def look() -> int:
        for each in (bench.clock, there):
            each.advance(timedelta(seconds=5))
        return watch.dog.run()

    for number in range(12):
        assert look() == 0
        if number % 2:
            assert bench.evaluator.tick() is not None
    # One that is behind cannot know how long before its look a tick was.
    assert [look() for _ in range(4)] == [0, 0, 0, 0]
    assert look() + look() == 1
    assert len(bench.outbox("WATCH-001")) == 1


def test_a_process_that_has_just_begun_to_watch_accuses_nobody(bench: Bench) -> None:
    bench.tick()
    bench.clock.advance(timedelta(hours=1))
    watch = watch_of(bench, {})

    assert [watch.look() for _ in range(5)] == [0, 0, 0, 0, 1]


def test_an_evaluator_that_was_never_there_is_told_of_too(bench: Bench, watch: Watch) -> None:
    assert [watch.look(10) for _ in range(3)] == [0, 0, 1]

    assert bench.states() == {"WATCH-001": "firing"}


def test_a_stop_in_order_is_not_told_when_somebody_watches_again(
    bench: Bench, watch: Watch
) -> None:
    bench.evaluator.tick()
    watch.look(1)
    other = watch_of(bench, {})
    other.look(1)
    watch.dog.end()
    other.dog.end()

    bench.clock.advance(timedelta(hours=1))
    again = watch_of(bench, {})
    again.look(1)
    for _ in range(3):
        bench.roll()
        assert again.evaluator.tick() is not None
        again.look(10)

    assert bench.outbox() == []
    assert bench.states() == {}


@pytest.mark.parametrize("killed", [0, 1], ids=["the one", "the other"])
def test_a_time_without_a_tick_is_told_when_one_of_those_who_watched_was_killed(
    bench: Bench, killed: int
) -> None:
    both = [watch_of(bench, {}) for _ in range(2)]
    bench.evaluator.tick()
    for each in both:
        each.look(1)
    both[1 - killed].dog.end()

    bench.clock.advance(timedelta(minutes=1))
    watch_of(bench, {}).look(0)
    bench.evaluator.tick()

    assert bench.states()["WATCH-001"] == "firing"


def test_whoever_stands_still_after_a_stop_in_order_is_told_of(bench: Bench, watch: Watch) -> None:
    bench.evaluator.tick()
    watch.look(1)
    watch.dog.end()
    bench.clock.advance(timedelta(hours=1))

    again = watch_of(bench, {})
    assert [again.look() for _ in range(5)] == [0, 0, 0, 0, 1]


def test_a_worker_that_ends_says_that_it_watches_no_more(bench: Bench) -> None:
    watching = [each for each in own_jobs(bench.runtime) if each.name == "watchdog"]

    with open_worker(bench.runtime, lambda _: tuple(watching)):
        assert eventually(lambda: bench.rows("SELECT FROM alert_watcher WHERE ended_at IS NULL"))

    (row,) = bench.rows("SELECT ended_at FROM alert_watcher")
    assert row["ended_at"] == bench.clock.now()


def test_a_process_that_cannot_say_that_it_ends_does_end(watch: Watch) -> None:
    watch.gate.is_away = True

    watch.dog.end()


def test_a_spool_of_which_nothing_leaves_is_told_of(bench: Bench, watch: Watch) -> None:
    clock, journal = bench.clock, bench.runtime.journal

    def spool() -> AttemptRow:
        row = AttemptRow(
            agent_id=clock.uuid7(), started_at=clock.now(), id=clock.uuid7(), origin_id=0,
            operation=1, correlation_id="correlation",
        )  # fmt: skip
        journal.spool(row)
        return row

    def state() -> str:
        clock.advance(timedelta(seconds=10))
        watch.dog.run()
        bench.roll()
        judged = bench.evaluator.tick()
        assert judged is not None
        return bench.states().get("WATCH-001-SPOOL", "calm")

    assert state() == "calm"
    rows = [spool() for _ in range(3)]
    assert state() == "calm"
    # It is being emptied, however long that takes.
    for row in rows[:2]:
        journal.end(row.id)
        assert state() == "calm"
    assert state() == "firing"
    journal.end(rows[2].id)
    assert state() == "resolved"


def test_a_journal_that_nobody_sweeps_stands_still(bench: Bench) -> None:
    journal = bench.runtime.journal
    spool, now = SpoolWatch(journal), bench.clock.now()
    assert spool.look(now) == (0, None)
    (journal.directory / "dead-1.0.journal").write_bytes(b"")

    later = now + timedelta(seconds=10)
    assert spool.look(now) == (1, now)
    assert spool.look(later) == (1, now)
    spool.forget()
    assert spool.look(later) == (1, later)


def test_a_database_that_is_away_is_told_straight_to_the_channels_once_for_all(
    bench: Bench, watch: Watch
) -> None:
    other = watch_of(bench, {name: Receiver(name) for name in ChannelName})
    watch.look()
    other.look(0)
    watch.gate.is_away = other.gate.is_away = True
    for _ in range(4):
        assert [watch.look(), other.look(0)] == [0, 0]
    assert [watch.look(), other.look(0)] == [2, 0]
    assert [watch.look(60), other.look(0)] == [0, 0]

    assert watch.letters == [("telegram", DATABASE), ("webhook", DATABASE)]
    assert other.letters == []
    assert bench.outbox() == []


def test_what_was_told_of_an_outage_is_put_down_once_and_mutes_what_it_leaves_behind(
    bench: Bench, watch: Watch
) -> None:
    bench.save(20)
    bench.tick()
    watch.look()
    watch.gate.is_away = True
    watch.look(30)
    watch.gate.is_away = False
    bench.fail(ErrorCode.QUOTE_PERSISTENCE_FAILED, 40)
    for _ in range(2):
        watch.look(10)
        bench.roll()
        watch.evaluator.run()

    alert = bench.alert(DATABASE)
    letters = {
        name.value: letter for name, each in watch.receivers.items() for letter in each.letters
    }
    rows = bench.outbox(DATABASE)
    assert [(each["channel"], each["state"], each["tries"]) for each in rows] == [
        ("telegram", "delivered", 1),
        ("webhook", "delivered", 1),
    ]
    assert {each["channel"]: each["id"] for each in rows} == {
        name: letter.id for name, letter in letters.items()
    }
    assert letters["webhook"].body == rows[1]["body"]
    assert [each["receipt"] for each in rows] == ["42", "42"]
    assert len(bench.rows("SELECT 1 FROM alert_delivery")) == 2
    assert str(alert["id"]) == rows[0]["body"]["alertId"]
    # Its symptoms fire, stand in the journal with their cause, and nobody is told.
    muted = {
        each["rule_id"]: each["muted_by"]
        for each in bench.rows("SELECT * FROM alert WHERE rule_id <> %s", DATABASE)
    }
    assert {"CRITICAL-002", "HIGH-002", "WATCH-001"} <= muted.keys()
    assert all(each == {"cause": DATABASE} for each in muted.values())
    assert len(bench.outbox()) == 2

    # It is over when it was long enough ago.
    for _ in range(4):
        bench.clock.advance(timedelta(seconds=90))
        bench.save(20)
        bench.tick()
    assert [each["kind"] for each in bench.outbox(DATABASE)] == ["firing"] * 2 + ["resolved"] * 2


def test_putting_down_what_stands_there_already_changes_nothing(bench: Bench, watch: Watch) -> None:
    watch.look()
    watch.gate.is_away = True
    watch.look(30)
    directory = outage_directory(bench.runtime.settings, bench.runtime.journal.directory)
    told = (directory / "outage.json").read_bytes()
    watch.gate.is_away = False
    watch.look()
    assert not (directory / "outage.json").exists()
    # As after a kill between the commit and the removal of the file.
    (directory / "outage.json").write_bytes(told)
    watch.look()

    assert len(bench.rows("SELECT 1 FROM alert WHERE rule_id = %s", DATABASE)) == 1
    assert len(bench.outbox(DATABASE)) == 2
    assert [each.name for each in directory.iterdir()] == ["outage.lock"]


def test_a_channel_that_fails_is_tried_again_and_one_that_refuses_has_a_stand_in(
    bench: Bench, watch: Watch
) -> None:
    telegram, webhook, apprise = watch.receivers.values()
    telegram.answers = [Permanent(FailureReason.CREDENTIALS, 401, "who")]
    webhook.answers = [Retry(FailureReason.TIMEOUT, may_have_arrived=True)]
    watch.look()
    watch.gate.is_away = True
    watch.look(30)
    assert (len(telegram.letters), len(webhook.letters), len(apprise.letters)) == (1, 1, 0)
    watch.look(5)
    assert (len(telegram.letters), len(webhook.letters), len(apprise.letters)) == (1, 1, 1)
    watch.look(5)
    assert (len(telegram.letters), len(webhook.letters), len(apprise.letters)) == (1, 2, 1)

    first, second = webhook.letters
    assert (first.id, first.is_perhaps_repeated) == (second.id, False)
    assert second.is_perhaps_repeated
    watch.gate.is_away = False
    watch.look()
    states = {each["channel"]: each["state"] for each in bench.outbox(DATABASE)}
    assert states == {"apprise": "delivered", "telegram": "failed", "webhook": "delivered"}


def test_a_sender_that_is_killed_over_it_leaves_a_notice_that_says_it_may_be_repeated(
    bench: Bench, watch: Watch
) -> None:
    telegram = watch.receivers[ChannelName.TELEGRAM]
    telegram.answers = [KeyboardInterrupt()]
    watch.look()
    watch.gate.is_away = True
    with pytest.raises(KeyboardInterrupt):
        watch.look(30)
    other = watch_of(bench, {name: Receiver(name) for name in ChannelName})
    other.gate.is_away = True
    other.look()

    (again,) = other.receivers[ChannelName.TELEGRAM].letters
    assert again.is_perhaps_repeated
    assert again.id == telegram.letters[0].id


def test_channels_that_are_not_configured_are_put_down_as_such(bench: Bench) -> None:
    receivers = {name: Receiver(name, missing="no settings") for name in ChannelName}
    watch = watch_of(bench, receivers)
    watch.look()
    watch.gate.is_away = True
    watch.look(30)
    watch.gate.is_away = False
    watch.look()

    assert watch.letters == []
    assert {each["state"] for each in bench.outbox(DATABASE)} == {"not configured"}


def test_a_mistake_of_ours_that_the_database_refuses_is_no_outage(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch.look()
    monkeypatch.setattr("engine.alerting.watchdog._SEEN", "SELECT 1 / %s * 0, %s, %s, %s, %s")

    for _ in range(6):
        with pytest.raises(psycopg.Error):
            watch.look()
    assert watch.letters == []


def test_what_cannot_be_put_down_is_put_aside_and_holds_no_tick_up(
    bench: Bench, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch.look()
    watch.gate.is_away = True
    watch.look(30)
    watch.gate.is_away = False
    monkeypatch.setattr("engine.alerting.outage_return._IS_THERE", "SELECT %s FROM nothing_there")

    assert watch.evaluator.run() == 1
    directory = outage_directory(bench.runtime.settings, bench.runtime.journal.directory)
    assert sorted(each.name for each in directory.iterdir()) == ["outage.aside", "outage.lock"]


def test_a_file_that_was_torn_holds_no_tick_up(bench: Bench, watch: Watch) -> None:
    directory = outage_directory(bench.runtime.settings, bench.runtime.journal.directory)
    directory.mkdir(parents=True)
    (directory / "outage.json").write_bytes(b'{"alert_id"')

    assert watch.evaluator.run() == 1


def test_a_tick_waits_for_what_was_told_of_an_outage_but_not_for_long(
    bench: Bench, watch: Watch
) -> None:
    bench.tick()
    assert watch.evaluator.run() == 0
    directory = outage_directory(bench.runtime.settings, bench.runtime.journal.directory)
    with OutageFile(directory).held():
        (directory / "outage.json").write_bytes(b"{}")
        bench.clock.advance(timedelta(seconds=12))
        assert watch.evaluator.run() == 0
        bench.clock.advance(timedelta(seconds=10))
        assert watch.evaluator.run() == 1


def test_an_outage_is_told_once_though_the_data_directory_takes_no_file(
    bench: Bench, watch: Watch
) -> None:
    """A full disk: the database is on it, too."""
    directory = outage_directory(bench.runtime.settings, bench.runtime.journal.directory)
    directory.parent.parent.mkdir(parents=True, exist_ok=True)
    directory.parent.write_bytes(b"no directory")
    bench.tick()
    watch.look()
    watch.gate.is_away = True
    watch.look(30)
    watch.look()
    watch.look()
    assert watch.letters == [("telegram", DATABASE), ("webhook", DATABASE)]

    watch.gate.is_away = False
    watch.look()
    watch.look()
    assert [each["state"] for each in bench.outbox(DATABASE)] == ["delivered", "delivered"]
    assert bench.states()[DATABASE] == "firing"


def test_a_disk_that_fills_up_in_the_middle_of_it_keeps_nothing_from_being_told(
    bench: Bench, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_self: OutageFile, _outage: object) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    watch.look()
    watch.gate.is_away = True
    with monkeypatch.context() as patch:
        patch.setattr(OutageFile, "_put", full)
        watch.look(30)
        watch.look()
    watch.gate.is_away = False
    watch.look()

    assert watch.letters == [("telegram", DATABASE), ("webhook", DATABASE)]
    assert [each["state"] for each in bench.outbox(DATABASE)] == ["delivered", "delivered"]


def test_a_lock_of_the_tick_that_somebody_keeps_is_told_straight_to_the_channels(
    bench: Bench, watch: Watch
) -> None:
    """No tick can be taken, and no notice of it put into the outbox either."""
    bench.tick()
    watch.look()
    with psycopg.connect(bench.runtime.target.app) as other:
        other.execute(records.LOCK)
        for _ in range(9):
            assert watch.look() == 0
        assert watch.look() == 2
        assert watch.look() == 0
    assert watch.letters == [("telegram", DATABASE), ("webhook", DATABASE)]
    (letter,) = watch.receivers[ChannelName.WEBHOOK].letters
    assert "lock of the tick" in letter.body["message"]

    assert watch.evaluator.run() == 1
    assert [each["state"] for each in bench.outbox(DATABASE)] == ["delivered", "delivered"]


def test_a_process_that_slept_accuses_no_database_of_the_time_in_between(
    bench: Bench, watch: Watch
) -> None:
    bench.tick()
    watch.look()
    watch.gate.is_away = True  # the line that it had is broken
    watch.look(3 * 3_600)
    for _ in range(4):
        watch.look()
    assert watch.letters == []

    watch.look()
    assert watch.letters == [("telegram", DATABASE), ("webhook", DATABASE)]
