"""`saveguard rollup` and `saveguard retention`: what an operator reads and what it does."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from rich.progress import Progress

from engine.database.pool import APPLICATION
from engine.database.target import Target
from engine.rollups import roller
from engine.rollups.restored import moved
from engine.rollups.roller import read_state, roll
from engine.slo.objectives import LIMITS
from tests.database.attempt_rows import CLOCK, attempt, told, write
from tests.database.databases import rows, run, value
from tests.database.shell import Shell, url_of

LONG_AGO = datetime(2020, 2, 29, 12, tzinfo=UTC)


def rolled(target: Target) -> None:
    with psycopg.connect(target.app, autocommit=True) as connection:
        assert roll(connection, CLOCK, LIMITS) is not None


def said_by(shell: Shell, *argv: str) -> str:
    """What a command prints that does its work."""
    ended = shell(*argv)
    assert (ended.code, ended.err) == (0, "")
    return ended.out


def test_status_of_an_empty_ledger(saveguard: Shell) -> None:
    said = said_by(saveguard, "rollup", "status", "--check")

    assert "last run: never" in said
    assert "0 attempts in the ledger: it adds up" in said
    assert "default partition" not in said


def test_status_tells_what_is_rolled_and_what_is_not(saveguard: Shell, target: Target) -> None:
    write(target.app, attempt(CLOCK.now()), attempt(CLOCK.now()))
    rolled(target)
    write(target.app, attempt(LONG_AGO))

    told_ = json.loads(said_by(saveguard, "rollup", "status", "--json"))
    checked = json.loads(said_by(saveguard, "rollup", "status", "--check", "--json"))

    assert told_.pop("rolled_at")
    assert told_ == {
        "feed": "snapshot", "rolled": 2, "tail": 1, "dropped": 0, "kept": None, "uncounted": 0,
        "in_default": 1, "runs": 1, "adds_up": None,
    }  # fmt: skip
    assert (checked["kept"], checked["adds_up"]) == (3, True)
    assert "1 attempts lie in the default partition" in said_by(saveguard, "rollup", "status")


def test_a_sum_that_is_wrong_is_said_loudly(saveguard: Shell, target: Target) -> None:
    write(target.app, attempt(CLOCK.now()))
    rolled(target)
    run(target.owner, "UPDATE rollup_state SET rolled = 2")

    code, said, _ = saveguard("rollup", "status", "--check")

    assert code == 1
    assert "IT DOES NOT ADD UP" in said


def test_a_day_that_is_detached_and_not_counted_is_no_wrong_sum(
    saveguard: Shell, target: Target
) -> None:
    run(
        target.owner,
        "INSERT INTO dropped_partition VALUES ('attempt_20200101', '2020-01-01', NULL, now())",
    )

    said = said_by(saveguard, "rollup", "status", "--check")

    assert "saveguard retention --apply finishes it" in said
    assert "whether it adds up is not known" in said


def test_rebuild_counts_and_says_how_many(saveguard: Shell, target: Target) -> None:
    write(target.app, attempt(CLOCK.now()), attempt(LONG_AGO))

    code, said, on_error = saveguard("rollup", "rebuild")

    # Nobody is watching: no bar.
    assert (code, said, on_error) == (0, "2 attempts counted\n", "")
    assert told(target.app) == 2


def test_rebuild_shows_a_bar_to_whoever_watches(
    saveguard: Shell, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(target.app, attempt(CLOCK.now()))
    shown: list[tuple[Any, Any]] = []
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setattr(
        Progress, "update", lambda *_, completed, total: shown.append((completed, total))
    )

    code, said, _ = saveguard("rollup", "rebuild")

    assert (code, said) == (0, "1 attempts counted\n")
    assert shown[-1][0] == shown[-1][1]


def test_rebuild_gives_way_to_the_roller(saveguard: Shell, target: Target) -> None:
    with psycopg.connect(target.app, autocommit=True) as other, roller._alone(other) as is_alone:
        assert is_alone
        code, _, said = saveguard("rollup", "rebuild")

    assert code != 0
    assert said == "saveguard: the roller is at work; try again in a moment\n"


def test_another_feed_is_refused_while_others_run(saveguard: Shell, target: Target) -> None:
    with psycopg.connect(target.app, application_name=APPLICATION):
        code, _, said = saveguard("rollup", "rebuild", "--feed", "queue")
        # The feed that there is already changes nothing for them.
        said_by(saveguard, "rollup", "rebuild", "--feed", "snapshot")

    assert code != 0
    assert "other processes of Saveguard use this database" in said
    assert value(target.owner, "SELECT feed FROM rollup_state") == "snapshot"


def test_another_feed_is_taken_when_nobody_runs(saveguard: Shell, target: Target) -> None:
    said_by(saveguard, "rollup", "rebuild", "--feed", "queue")

    assert value(target.owner, "SELECT feed FROM rollup_state") == "queue"


def test_a_restored_ledger_is_named_and_mended(saveguard: Shell, target: Target) -> None:
    write(target.app, attempt(CLOCK.now()))
    rolled(target)
    with psycopg.connect(target.app, autocommit=True) as connection:
        snapshot = read_state(connection).snapshot
    assert snapshot is not None
    run(target.owner, f"UPDATE rollup_state SET snapshot = '{moved(snapshot, 10_000)}'")  # noqa: S608
    write(target.app, attempt(CLOCK.now()))

    assert saveguard.refused("rollup", "status") == (
        "saveguard: the ledger was restored from another server; run: saveguard rollup rebuild"
    )
    assert said_by(saveguard, "rollup", "rebuild").endswith("2 attempts counted\n")

    assert "2 attempts in the ledger: it adds up" in said_by(
        saveguard, "rollup", "status", "--check"
    )
    write(target.app, attempt(CLOCK.now()))
    assert told(target.app) == 3


def test_retention_shows_days_and_drops_them_only_when_told(
    saveguard: Shell, target: Target
) -> None:
    saveguard.patch.setenv("SAVEGUARD_RETENTION_DAYS", "1")
    write(target.app, attempt(CLOCK.now()), attempt(LONG_AGO))
    run(
        target.owner,
        "CREATE TABLE attempt_20200301 PARTITION OF attempt"
        " FOR VALUES FROM ('2020-03-01Z') TO ('2020-03-02Z')",
    )
    write(target.app, *[attempt(LONG_AGO + timedelta(days=1))] * 1)
    rolled(target)

    shown = said_by(saveguard, "retention")
    assert "1 days are kept" in shown
    assert shown.count("due: saveguard retention --apply") == 1
    assert "1 attempts lie in the default partition" in shown
    assert rows(target.owner, "SELECT FROM dropped_partition") == []

    applied = said_by(saveguard, "retention", "--apply")
    assert "dropped attempt_20200301: 1 attempts" in applied
    assert "dropped attempt_20200229: 1 attempts" in applied
    assert "lie in the default partition" not in applied
    facts = json.loads(said_by(saveguard, "retention", "--apply", "--json"))
    assert (facts["dropped"], facts["in_default"], facts["kept_days"]) == ([], 0, 1)
    assert {each["is_due"] for each in facts["kept"]} == {False}
    assert told(target.app) == 3
    assert "it adds up" in said_by(saveguard, "rollup", "status", "--check")


def test_retention_as_a_role_that_may_not_is_one_line(saveguard: Shell, target: Target) -> None:
    rolled(target)
    run(
        target.owner,
        "CREATE TABLE attempt_20200301 PARTITION OF attempt"
        " FOR VALUES FROM ('2020-03-01Z') TO ('2020-03-02Z')",
    )
    saveguard.patch.setenv("SAVEGUARD_OWNER_DATABASE_URL", url_of(target.app))

    said = saveguard.refused("retention", "--apply")

    assert "SAVEGUARD_OWNER_DATABASE_URL" in said
