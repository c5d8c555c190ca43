"""The benches of alerts, small: nothing is lost, and what comes twice says so."""

from __future__ import annotations

from pathlib import Path

from bench import alert_delivery, alert_saves
from bench.alert_delivery import Size
from engine.database.target import Target


def test_no_alert_is_lost_when_receivers_fail_and_the_sender_is_killed(
    target: Target, tmp_path: Path
) -> None:
    found = alert_delivery.run(target, tmp_path, Size(alerts=80, kills=2, blackout_s=0.3))

    assert found["kills"] == 2
    assert found["failed_share"] > 0.15
    assert found["malformed"] == 0
    for channel in (found["webhook"], found["telegram"]):
        assert (channel["lost"], channel["unmarked"]) == (0, 0)
    # A webhook's receiver knows a repetition by its key; the kill at its worst moment makes one.
    assert found["webhook"]["taken_twice"] == 0
    assert found["webhook"]["on_the_wire_again"] >= 1
    # At Telegram none that is not explained.
    assert found["telegram"]["taken_twice"] <= found["kills"] + found["lost_answers"]
    assert found["states"] == {"delivered": 160}


def test_saves_are_measured_beside_every_kind_of_receiver(target: Target, tmp_path: Path) -> None:
    found = alert_saves.run(target, tmp_path, rounds=1, seconds=0.3, alerts=3)

    (windows,) = found["rounds"]
    assert all(window["saves"] > 0 for window in windows.values())
    assert windows[alert_saves.WELL]["delivered"] == 3
    assert windows[alert_saves.NONE]["tries"] == 0
    for kind in (alert_saves.DEAD, alert_saves.SLOW, alert_saves.OTHER):
        assert windows[kind]["tries"] > 0
        assert windows[kind]["delivered"] == 0
