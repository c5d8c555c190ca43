"""The line is there and nothing comes through: a firewall forgot it, or a host hangs."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from engine.database import pool
from engine.database.target import Target
from engine.quotes.lifecycle import Operation
from engine.saving.answer import Saved
from tests.database.cluster_harness import eventually
from tests.faults.proxy import Fault
from tests.faults.scene import CLOCK, Scene, open_scene, refused

SHORT = {"save_budget": timedelta(seconds=2), "pool_wait": timedelta(seconds=0.5)}


def can_save(scene: Scene) -> bool:
    return isinstance(scene.save(Operation.CREATE), Saved)


def test_a_read_on_a_silent_line_ends(tmp_path: Path, target: Target) -> None:
    with open_scene(tmp_path, target, **SHORT) as scene:
        quote_id = scene.create()
        quotes, agent_id = scene.runtime.quotes, scene.agency.agent_id
        assert quotes.get(agent_id, quote_id) is not None
        scene.proxy.silence()

        with pytest.raises(psycopg.OperationalError):
            quotes.get(agent_id, quote_id)


def test_a_silence_while_a_connection_is_made_does_not_outlast_itself(
    tmp_path: Path, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "_CONFIGURE_S", 0.5)
    with open_scene(tmp_path, target, **SHORT) as scene:
        scene.create()
        stuck = scene.proxy.on(lambda request: request.sql.startswith("SET "), Fault.HOLD_REPLY)
        scene.proxy.cut_all()

        assert eventually(lambda: can_save(scene), 10)
        assert stuck.met.is_set()
        assert not stuck.gate.is_set()


@pytest.mark.parametrize(
    "write_form",
    ["one-statement", pytest.param("several-statements", marks=pytest.mark.slow)],
)
def test_saves_go_on_when_lines_have_fallen_silent_for_ever(
    tmp_path: Path, target: Target, write_form: str
) -> None:
    with open_scene(tmp_path, target, write_form=write_form, **SHORT) as scene:
        quote_id = scene.create()
        scene.proxy.silence()
        asked = CLOCK.monotonic()
        assert refused(scene.update(quote_id, 1))[0] in {
            "DATABASE_TIMEOUT",
            "QUOTE_PERSISTENCE_FAILED",
        }
        assert CLOCK.monotonic() - asked < 5
        scene.proxy.speak()

        assert eventually(lambda: can_save(scene), 15)
