"""Settings in the audit trail: who reads it learns what was changed, and no secret."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest
from psycopg.rows import dict_row

import dashboard.__main__  # noqa: F401  # adds its commands to the group
from engine.access.audit import terminal_actor
from engine.access.settings_trail import LEFT_OUT, SECRET_NAMES, Serving, record_settings
from engine.clock import SystemClock
from engine.database.pool import Pool
from engine.database.target import Target
from engine.runtime import Runtime
from engine.settings import Settings

CLOCK: Final = SystemClock()
SECRET: Final = "canary-cookie-" + "c" * 32


def start(
    runtime: Runtime, directory: Path, serving: Serving = Serving.API, **given: Any
) -> list[dict[str, Any]]:
    """A process starts; the events of the trail, oldest first."""
    settings = Settings.model_validate({"data_dir": directory} | given)
    record_settings(runtime.read_pool, settings, CLOCK, serving, terminal_actor(CLOCK, "operator"))
    return events(runtime.target)


def events(target: Target) -> list[dict[str, Any]]:
    with psycopg.connect(target.app, row_factory=dict_row) as connection:
        return connection.execute(
            "SELECT * FROM audit_event WHERE action = 'settings changed' ORDER BY happened_at, id"
        ).fetchall()


def test_the_first_start_writes_down_what_holds(runtime: Runtime, tmp_path: Path) -> None:
    (event,) = start(runtime, tmp_path, pool_size=3, lock_timeout=1.5)

    assert (event["actor"], event["way"], event["outcome"]) == ("operator", "terminal", "done")
    assert (event["subject_kind"], event["subject_id"]) == ("settings", "development/api")
    assert event["correlation_id"].startswith("REQ-")
    details = event["details"]
    assert (details["first"], details["changed"]) == (True, {})
    assert (details["settings"]["pool_size"], details["settings"]["lock_timeout"]) == (3, 1.5)
    assert set(details["settings"]) == set(Settings.model_fields) - SECRET_NAMES - LEFT_OUT


def test_a_start_with_the_same_settings_writes_nothing(runtime: Runtime, tmp_path: Path) -> None:
    start(runtime, tmp_path, cookie_secret=SECRET, instance="first")

    assert len(start(runtime, tmp_path, cookie_secret=SECRET, instance="second")) == 1


def test_a_change_is_written_with_the_old_and_the_new_value(
    runtime: Runtime, tmp_path: Path
) -> None:
    start(runtime, tmp_path, pool_size=3)

    _, event = start(runtime, tmp_path, pool_size=4, identity_lifetime=1)

    assert event["details"]["first"] is False
    assert event["details"]["changed"] == {
        "identity_lifetime": {"old": 2.0, "new": 1.0},
        "pool_size": {"old": 3, "new": 4},
    }


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (None, SECRET, {"old": "not set", "new": "set"}),
        (SECRET, None, {"old": "set", "new": "not set"}),
        (SECRET, SECRET[::-1], {"old": "set", "new": "set to another"}),
    ],
    ids=["set", "taken away", "changed"],
)
@pytest.mark.parametrize("name", sorted(SECRET_NAMES))
def test_a_changed_secret_is_told_and_not_shown(
    runtime: Runtime, tmp_path: Path, name: str, old: str | None, new: str | None, told: object
) -> None:
    start(runtime, tmp_path, Serving.API, **{name: old})

    _, event = start(runtime, tmp_path, Serving.API, **{name: new})

    assert event["details"]["changed"] == {name: told}
    said = json.dumps(events(runtime.target), default=str)
    assert SECRET not in said
    assert SECRET[::-1] not in said


def test_fingerprints_cannot_be_tried_out_without_the_key_of_the_data_directory(
    runtime: Runtime, tmp_path: Path
) -> None:
    """The same secret has other marks elsewhere, and those are not taken for a change."""
    here, there = tmp_path / "here", tmp_path / "there"
    for each in (here, there):
        each.mkdir()
    one, other = [
        start(runtime, each, cookie_secret=SECRET)[-1]["details"] for each in (here, there)
    ]

    assert other["changed"] == {}
    assert one["keyed_by"] != other["keyed_by"]
    assert one["secrets"]["cookie_secret"] != other["secrets"]["cookie_secret"]
    (key,) = here.iterdir()
    assert key.stat().st_mode & 0o777 == 0o600
    # And yet a change here is noticed, although the other was the last to start.
    changed = start(runtime, here, cookie_secret=SECRET[::-1])[-1]["details"]["changed"]
    assert changed == {"cookie_secret": {"old": "set", "new": "set to another"}}


def test_kinds_of_process_and_environments_are_compared_with_their_own(
    runtime: Runtime, tmp_path: Path
) -> None:
    start(runtime, tmp_path, Serving.API, pool_size=3)
    start(runtime, tmp_path, Serving.WORKER, pool_size=4)
    start(runtime, tmp_path, Serving.API, environment="staging", pool_size=5)

    assert [each["details"]["changed"] for each in events(runtime.target)] == [{}, {}, {}]
    assert len(start(runtime, tmp_path, Serving.API, pool_size=3)) == 3


def test_processes_that_start_at_once_agree_on_the_key_and_on_the_change(
    runtime: Runtime, tmp_path: Path
) -> None:
    barrier = threading.Barrier(4)

    def process() -> None:
        barrier.wait(30)
        start(runtime, tmp_path, cookie_secret=SECRET)

    threads = [threading.Thread(target=process) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(30)

    written = events(runtime.target)
    assert 1 <= len(written) <= 4
    assert all(each["details"] == written[0]["details"] for each in written)
    assert [each.name for each in tmp_path.glob("settings-*")] == ["settings-fingerprint.key"]


def test_no_trouble_with_the_trail_keeps_a_process_from_starting(
    runtime: Runtime, tmp_path: Path, capsys: pytest.CaptureFixture[str], settings: Settings
) -> None:
    nowhere = Target(app="host=/nowhere user=nobody", owner="", cluster=None)
    closed = Pool(nowhere, settings, CLOCK, size=1)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "settings-fingerprint.key").write_text("no key")
    actor = terminal_actor(CLOCK, "operator")

    record_settings(closed, settings, CLOCK, Serving.API, actor)
    start(runtime, tmp_path / "broken")
    start(runtime, tmp_path / "missing")

    assert events(runtime.target) == []
    assert capsys.readouterr().out.count("settings_not_recorded") == 3


def test_what_an_older_release_wrote_is_read_as_far_as_it_goes(
    runtime: Runtime, tmp_path: Path
) -> None:
    with psycopg.connect(runtime.target.owner) as connection:
        connection.execute(
            "INSERT INTO audit_event (id, happened_at, action, outcome, actor, way, subject_kind,"
            " subject_id, correlation_id, details) VALUES (%s, now(), 'settings changed', 'done',"
            " 'x', 'terminal', 'settings', 'development/api', 'REQ-1', %s)",
            [CLOCK.uuid7(), json.dumps({"settings": {"pool_size": 9, "gone": True}})],
        )

    event = start(runtime, tmp_path)[-1]["details"]

    assert event["changed"]["gone"] == {"old": True, "new": None}
    assert event["changed"]["pool_size"] == {"old": 9, "new": 8}


# What stands in the name of a setting that is a secret.
_SPOKEN = (
    "secret",
    "password",
    "token",
    "database_url",
    "webhook_url",
    "apprise_urls",
    "heartbeat_url",
)


def test_every_setting_whose_name_speaks_of_a_secret_is_one() -> None:
    spoken = {
        name
        for name in Settings.model_fields
        if any(word in name for word in _SPOKEN) and name != "bad_passwords"
    }

    assert spoken == SECRET_NAMES
