"""The roller takes every attempt once, whatever stands in its way."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from engine.attempts.partitions import ensure_partitions
from engine.clock import FrozenClock
from engine.database.target import Target
from engine.quotes.lifecycle import Operation
from engine.rollups import roller
from engine.rollups.grid import Tier, Window
from engine.rollups.restored import RestoredError, is_beyond, move_numbers, moved
from engine.rollups.retention import drop_due
from engine.rollups.roller import Limits, is_restored, read_state, rebuild, roll
from engine.rollups.series import looking
from engine.runtime import open_runtime
from engine.settings import Settings
from tests.database.attempt_rows import CLOCK, EVERYTHING, LIMITS, attempt, told, write
from tests.database.databases import rows, run, value
from tests.support import new_agency, quote_body

NOW = datetime(2031, 3, 30, 12, 0, 5, tzinfo=UTC)
_STATE = "SELECT md5(string_agg(r::text, '|' ORDER BY r::text)) FROM attempt_rollup r"


@pytest.fixture
def app(target: Target) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(target.app, autocommit=True) as connection:
        yield connection


@pytest.fixture
def clock(target: Target) -> FrozenClock:
    """At a noon of which the ledger has the partition."""
    with psycopg.connect(target.owner, autocommit=True) as connection:
        ensure_partitions(connection, NOW)
    return FrozenClock(NOW)


def test_the_first_run_builds_and_the_second_finds_nothing(
    target: Target, app: psycopg.Connection[Any], clock: FrozenClock
) -> None:
    write(target.app, attempt(NOW), attempt(NOW - timedelta(hours=30)))

    assert (roll(app, clock, LIMITS), roll(app, clock, LIMITS)) == (2, 0)

    assert told(target.app) == 2
    assert read_state(app).rolled == 2


def test_an_empty_ledger_is_rolled_too(target: Target, app: psycopg.Connection[Any]) -> None:
    assert roll(app, CLOCK, LIMITS) == 0
    assert told(target.app) == 0


def test_of_two_at_once_one_gets_nothing_and_changes_nothing(
    target: Target, app: psycopg.Connection[Any]
) -> None:
    write(target.app, attempt(NOW))
    with psycopg.connect(target.app, autocommit=True) as other, roller._alone(other) as is_alone:
        assert is_alone

        assert roll(app, CLOCK, LIMITS) is None
        assert rebuild(app, CLOCK, LIMITS) is None

    assert roll(app, CLOCK, LIMITS) == 1


def test_who_rolls_on_an_old_view_gives_up(
    target: Target, app: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(target.app, attempt(NOW))
    original = roller._state

    def state_after_another_run(*given: Any) -> Any:
        monkeypatch.setattr(roller, "_state", original)
        with psycopg.connect(target.app, autocommit=True) as other:
            # Past the lock, as in the instant between a snapshot and the lock.
            other.execute("UPDATE rollup_state SET runs = runs + 1")
        return original(*given)

    monkeypatch.setattr(roller, "_state", state_after_another_run)

    assert roll(app, CLOCK, LIMITS) is None
    assert roll(app, CLOCK, LIMITS) == 1
    assert told(target.app) == 1


def test_other_limits_are_counted_anew(
    target: Target, app: psycopg.Connection[Any], clock: FrozenClock
) -> None:
    write(target.app, attempt(NOW, duration_us=300), attempt(NOW, duration_us=700))
    roll(app, clock, LIMITS)

    assert roll(app, clock, Limits(p95_us=300, p99_us=700)) == 2

    with looking(app) as look:
        (counts,) = look.counts(
            [Window(NOW - timedelta(hours=1), NOW + timedelta(seconds=5))], EVERYTHING
        )
    assert (counts.over_p95, counts.over_p99) == (2, 1)
    assert roll(app, clock, Limits(p95_us=300, p99_us=700)) == 0


def test_what_commits_late_is_taken_by_the_run_after(
    target: Target, app: psycopg.Connection[Any]
) -> None:
    with psycopg.connect(target.app) as late:
        late.execute("SELECT txid_current()")
        write(target.app, attempt(CLOCK.now()))
        assert roll(app, CLOCK, LIMITS) == 1
        late.execute(
            "INSERT INTO attempt SELECT agent_id, started_at, gen_random_uuid(), quote_id,"
            " client_id, origin_id, 5, 5, NULL, NULL, operation, outcome, NULL, NULL, NULL, 0, 1,"
            " 1, NULL, correlation_id FROM attempt"
        )
        assert roll(app, CLOCK, LIMITS) == 0
        late.commit()
        assert told(target.app) == 2

    assert (roll(app, CLOCK, LIMITS), told(target.app)) == (1, 2)


@pytest.mark.parametrize("is_rolled", [False, True])
def test_rows_of_the_default_partition_are_counted(
    target: Target, app: psycopg.Connection[Any], *, is_rolled: bool
) -> None:
    if is_rolled:
        roll(app, CLOCK, LIMITS)
    write(target.app, attempt(datetime(2029, 5, 6, 7, tzinfo=UTC)), attempt(CLOCK.now()))

    assert roll(app, CLOCK, LIMITS) == 2
    assert rebuild(app, CLOCK, LIMITS) == 2
    assert value(target.owner, "SELECT count(*) FROM attempt_default") == 1
    assert told(target.app) == 2


def test_fine_rows_are_pruned_and_a_very_late_attempt_brings_none_back(
    target: Target, app: psycopg.Connection[Any], clock: FrozenClock
) -> None:
    write(target.app, attempt(NOW))
    roll(app, clock, LIMITS)
    later = FrozenClock(NOW + timedelta(hours=5))
    write(target.app, attempt(NOW + timedelta(hours=5)))
    roll(app, later, LIMITS)

    write(target.app, attempt(NOW))
    roll(app, later, LIMITS)
    much_later = FrozenClock(NOW + timedelta(days=20))
    write(target.app, attempt(NOW))
    roll(app, much_later, LIMITS)

    tiers = rows(
        target.owner,
        "SELECT tier, sum(attempts) FROM attempt_rollup WHERE operation = 0 GROUP BY 1 ORDER BY 1",
    )
    assert tiers == [(Tier.HOUR, 4), (Tier.DAY, 4)]
    assert rebuild(app, much_later, LIMITS) == 4
    assert told(target.app) == 4


def test_edge_counts_of_long_ago_are_merged_into_hours_and_lose_nothing(
    target: Target, app: psycopg.Connection[Any]
) -> None:
    now = CLOCK.now()
    long_ago = (now - timedelta(days=20)).replace(minute=0, second=0, microsecond=0)
    processes = [CLOCK.uuid7(), CLOCK.uuid7()]

    def arrived(minute: datetime, arrivals: int, left_early: int) -> None:
        for process in processes:
            app.execute(
                "INSERT INTO edge_count VALUES (%s, %s, 1, %s, %s)",
                [minute, process, arrivals, left_early],
            )

    arrived(long_ago + timedelta(minutes=3), 5, 1)
    arrived(long_ago + timedelta(minutes=59), 7, 0)
    arrived(now - timedelta(minutes=5), 2, 0)
    roll(app, FrozenClock(now), LIMITS)
    arrived(long_ago + timedelta(minutes=4), 1, 0)
    roll(app, FrozenClock(now), LIMITS)

    merged = rows(target.app, "SELECT bucket, arrivals, left_early FROM edge_count ORDER BY 1")
    assert merged[0] == (long_ago, 26, 2)
    assert [arrivals for _, arrivals, _ in merged[1:]] == [2, 2]


@pytest.mark.parametrize("work", [roll, rebuild])
def test_a_run_that_is_cut_off_has_done_nothing(
    target: Target, server: str, monkeypatch: pytest.MonkeyPatch, work: Any
) -> None:
    write(target.app, attempt(NOW))
    with psycopg.connect(target.app, autocommit=True) as first:
        roll(first, CLOCK, LIMITS)
    write(target.app, attempt(NOW), attempt(CLOCK.now()))
    before = value(target.owner, _STATE)

    def cut(connection: psycopg.Connection[Any], *_: object) -> None:
        assert value(server, f"SELECT pg_terminate_backend({connection.info.backend_pid}, 5000)")

    with psycopg.connect(target.app, autocommit=True) as doomed, monkeypatch.context() as patch:
        patch.setattr(roller, "_prune", cut)
        with pytest.raises(psycopg.OperationalError):
            work(doomed, CLOCK, LIMITS)

    assert value(target.owner, _STATE) == before
    assert told(target.app) == 3
    with psycopg.connect(target.app, autocommit=True) as next_one:
        assert roll(next_one, CLOCK, LIMITS) == 2


# --- days that retention has dropped --------------------------------------------------------------


def test_a_rebuild_keeps_what_is_known_of_dropped_days(
    target: Target, app: psycopg.Connection[Any], clock: FrozenClock
) -> None:
    write(target.app, *(attempt(NOW - timedelta(hours=hours)) for hours in (0, 1, 13, 13, 14)))
    roll(app, clock, LIMITS)
    with psycopg.connect(target.owner, autocommit=True) as owner:
        dropped = drop_due(owner, NOW + timedelta(days=2), timedelta(days=2))
        assert [each.rows for each in dropped if each.rows] == [3]
        # One more for the day that is gone, and it is rolled like any other.
        write(target.app, attempt(NOW - timedelta(hours=13)))
        assert roll(app, clock, LIMITS) == 1
        write(target.app, attempt(NOW - timedelta(hours=13)))

        assert rebuild(app, clock, LIMITS) == 3

        assert told(target.app) == 7
        assert _adds_up(target, app)
        # The two that came late go the same way, and are still known.
        dropped = drop_due(owner, NOW + timedelta(days=2), timedelta(days=2))
        assert [(each.name, each.rows) for each in dropped] == [("attempt_20310329", 2)]
    write(target.app, attempt(NOW - timedelta(hours=13)))
    assert rebuild(app, clock, LIMITS) == 3
    assert told(target.app) == 8
    assert _adds_up(target, app)


def test_a_rebuild_keeps_what_was_deleted_from_the_default_partition(
    target: Target, app: psycopg.Connection[Any]
) -> None:
    long_ago = datetime(2020, 2, 29, 12, tzinfo=UTC)
    write(target.app, attempt(long_ago), attempt(long_ago), attempt(long_ago - timedelta(days=1)))
    roll(app, CLOCK, LIMITS)
    with psycopg.connect(target.owner, autocommit=True) as owner:
        dropped = drop_due(owner, CLOCK.now(), timedelta(days=90))
    assert [(each.day.day, each.rows) for each in dropped] == [(28, 1), (29, 2)]
    write(target.app, attempt(long_ago))
    roll(app, CLOCK, LIMITS)
    write(target.app, attempt(long_ago))

    assert rebuild(app, CLOCK, LIMITS) == 1

    assert told(target.app) == 5
    assert _adds_up(target, app)


def _adds_up(target: Target, app: psycopg.Connection[Any]) -> bool:
    dropped = value(target.app, "SELECT coalesce(sum(rows), 0) FROM dropped_partition")
    return bool(
        read_state(app).rolled == dropped + value(target.app, "SELECT count(*) FROM attempt")
    )


# --- the queue ------------------------------------------------------------------------------------


def test_saves_are_found_by_the_queue_and_by_snapshots_again(
    target: Target, app: psycopg.Connection[Any], settings: Settings
) -> None:
    write(target.app, attempt(CLOCK.now()))
    assert rebuild(app, CLOCK, LIMITS, feed="queue") == 1
    for form in ("one-statement", "several-statements"):
        with open_runtime(settings.model_copy(update={"write_form": form}), target) as runtime:
            agency = new_agency(runtime)
            agency.create()
            agency.save(Operation.CREATE, body=quote_body(adults=0))
            assert agency.update(runtime.clock.uuid7(), 1).http_status == 404
    saved = 6

    assert value(target.owner, "SELECT count(*) FROM attempt_queue") == saved
    assert told(target.app) == 1 + saved
    assert roll(app, CLOCK, LIMITS) == saved
    assert roll(app, CLOCK, LIMITS) == 0
    assert told(target.app) == 1 + saved

    write(target.app, attempt(CLOCK.now()), is_queued=True)
    assert rebuild(app, CLOCK, LIMITS, feed="snapshot") == 2 + saved
    assert value(target.owner, "SELECT count(*) FROM attempt_queue") == 0
    write(target.app, attempt(CLOCK.now()))
    assert told(target.app) == 3 + saved
    assert roll(app, CLOCK, LIMITS) == 1


def test_what_is_queued_in_an_open_transaction_stays_queued(
    target: Target, app: psycopg.Connection[Any]
) -> None:
    rebuild(app, CLOCK, LIMITS, feed="queue")
    write(target.app, attempt(CLOCK.now()), is_queued=True)
    with psycopg.connect(target.app) as late:
        late.execute("""
            INSERT INTO attempt_queue
            SELECT agent_id, started_at, gen_random_uuid(), 0, 5, 5, 1, 1, NULL, 0, 1, 1
            FROM attempt
        """)
        assert roll(app, CLOCK, LIMITS) == 1
        late.commit()

    assert roll(app, CLOCK, LIMITS) == 1


# --- another server's ledger ----------------------------------------------------------------------


@pytest.fixture
def restored(target: Target, app: psycopg.Connection[Any], server: str) -> int:
    """A ledger as a dump of a busy server leaves it in a young one; its attempts' number.

    Three were rolled, one was not; the numbers of their transactions are yet to come here.
    """
    write(target.app, attempt(CLOCK.now()), attempt(CLOCK.now()), attempt(CLOCK.now()))
    roll(app, CLOCK, LIMITS)
    write(target.app, attempt(CLOCK.now()))
    name = psycopg.conninfo.conninfo_to_dict(target.owner)["dbname"]
    as_any = psycopg.conninfo.make_conninfo(server, dbname=name)
    snapshot = read_state(app).snapshot
    assert snapshot is not None
    run(
        as_any,
        "UPDATE attempt SET txid = txid + 5000",
        f"UPDATE rollup_state SET snapshot = '{moved(snapshot, 5_000)}'",  # noqa: S608  # ours
    )
    return 4


def test_a_restored_ledger_tells_nothing_rather_than_something_wrong(
    target: Target, app: psycopg.Connection[Any], restored: int
) -> None:
    assert restored
    write(target.app, attempt(CLOCK.now()))

    with pytest.raises(RestoredError, match="saveguard rollup rebuild"):
        roll(app, CLOCK, LIMITS)
    with pytest.raises(RestoredError):
        rebuild(app, CLOCK, LIMITS)
    with pytest.raises(RestoredError):
        told(target.app)
    assert is_restored(app)
    assert not app.closed


def test_a_restored_ledger_is_mended_without_touching_a_row(
    target: Target, app: psycopg.Connection[Any], restored: int
) -> None:
    write(target.app, attempt(CLOCK.now()))
    before = rows(target.owner, "SELECT id, txid, ctid FROM attempt ORDER BY 1")

    with psycopg.connect(target.owner, autocommit=True) as owner:
        assert move_numbers(owner) > 5_000
    assert not is_restored(app)
    # Whoever rolls next builds, although nobody asked for it.
    assert roll(app, CLOCK, LIMITS) == restored + 1

    assert rows(target.owner, "SELECT id, txid, ctid FROM attempt ORDER BY 1") == before
    assert told(target.app) == restored + 1
    for more in (1, 2, 3):
        write(target.app, attempt(CLOCK.now()))
        assert told(target.app) == restored + 1 + more
        assert roll(app, CLOCK, LIMITS) == 1
        assert told(target.app) == restored + 1 + more
    # Days that are made from now on number their rows alike.
    with psycopg.connect(target.owner, autocommit=True) as owner:
        ensure_partitions(owner, NOW)
    write(target.app, attempt(NOW))
    assert (roll(app, CLOCK, LIMITS), told(target.app)) == (1, restored + 5)


def test_a_restored_ledger_that_was_never_rolled_is_noticed_when_it_is_built(
    target: Target, app: psycopg.Connection[Any], restored: int
) -> None:
    run(target.owner, "UPDATE rollup_state SET snapshot = NULL", "DELETE FROM attempt_rollup")

    with pytest.raises(RestoredError):
        roll(app, CLOCK, LIMITS)

    assert is_restored(app)
    with psycopg.connect(target.owner, autocommit=True) as owner:
        move_numbers(owner)
    assert (roll(app, CLOCK, LIMITS), told(target.app)) == (restored, restored)
    assert roll(app, CLOCK, LIMITS) == 0


def test_an_older_ledger_in_a_busier_server_is_right_as_it_is(
    target: Target, app: psycopg.Connection[Any]
) -> None:
    write(target.app, attempt(CLOCK.now()))
    roll(app, CLOCK, LIMITS)
    for _ in range(20):
        app.execute("SELECT txid_current()")
    write(target.app, attempt(CLOCK.now()))

    assert not is_restored(app)
    assert (told(target.app), roll(app, CLOCK, LIMITS)) == (2, 1)


def test_the_application_cannot_move_numbers(target: Target, app: psycopg.Connection[Any]) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        move_numbers(app)
    assert value(target.owner, "SELECT txid_offset FROM rollup_state") == 0


def test_snapshots_are_moved_and_compared_by_their_numbers() -> None:
    assert moved("10:20:10,14", 0) == "10:20:10,14"
    assert moved("10:20:10,14", 5) == "15:25:15,19"
    assert moved("7:7:", 5) == "12:12:"
    assert [is_beyond(each, "5:20:") for each in (None, "5:20:", "5:19:6", "5:21:")] == [
        False, False, False, True
    ]  # fmt: skip
