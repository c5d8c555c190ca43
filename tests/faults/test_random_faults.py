"""Thousands of saves over a line that breaks at random: every promise holds for each of them."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from threading import Lock

import pytest

from engine.database.target import Target
from engine.readiness.probes.history import INDETERMINATE, REFUSED, REPLAYED, SAVED
from tests.faults.load import Dice, Load, new_seed
from tests.faults.proxy import CUTS, UNSEEN, Fault, Request
from tests.faults.scene import open_scene


class Chance:
    """Breaks one line in so many requests, and far more of those that commit a save."""

    def __init__(self, seed: str, *, of_saves: float, of_others: float) -> None:
        self._dice = Dice(seed)
        self._of_saves = of_saves
        self._of_others = of_others
        self._lock = Lock()
        self.of_saves: Counter[str] = Counter()

    def __call__(self, request: Request) -> Fault | None:
        with self._lock:
            if self._dice.chance() >= (self._of_saves if request.saves else self._of_others):
                return None
            fault = self._dice.pick((*CUTS, Fault.SEVER))
            if request.saves:
                self.of_saves["never arrived" if fault in UNSEEN else "arrived"] += 1
            return fault


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("write_form", "pooler"),
    # No real pooler is needed to leave the server's sessions alone.
    [("one-statement", "none"), ("several-statements", "none"), ("one-statement", "transaction")],
    ids=["one-statement", "several-statements", "pooled"],
)
@pytest.mark.parametrize(
    "attempts", [1_000, pytest.param(10_000, marks=pytest.mark.slow)], ids=["small", "full"]
)
def test_a_line_that_breaks_at_random_loses_doubles_and_hides_nothing(
    tmp_path: Path, target: Target, write_form: str, pooler: str, attempts: int
) -> None:
    direct = replace(target, pooler=pooler)
    with open_scene(tmp_path, direct, write_form=write_form, pooler=pooler) as scene:
        seed = new_seed()
        chance = Chance(seed, of_saves=0.15, of_others=0.004)
        scene.proxy.by_chance(chance)

        with Load(scene, seed, most=attempts).running():
            pass

        assert len(scene.history.calls) == attempts
        answered = {
            answer: scene.history.count(answer)
            for answer in (SAVED, REPLAYED, REFUSED, INDETERMINATE)
        }
        cut = sum(scene.proxy.faults.values())
        sys.stdout.write(
            f"{write_form}, pooler {pooler}: {attempts} attempts, lines cut {cut},"
            f" of saves in doubt {dict(chance.of_saves)}, answered {answered}\n"
        )
        assert chance.of_saves["arrived"] > attempts / 50
        assert chance.of_saves["never arrived"] > attempts / 50
