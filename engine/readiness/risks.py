"""The risk register: each risk with the boxes that mitigate it, and what those say of it now."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import resources

from engine.readiness.assessment import Standing, State


class Tier(StrEnum):
    """How much is at stake, the least first."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


@dataclass(frozen=True, slots=True)
class Risk:
    """One line of the checklist's risk assessment.

    Attributes:
        id: a word for it.
        tier: as it was assessed.
        text: in the checklist's words.
        boxes: that mitigate it.
    """

    id: str
    tier: Tier
    text: str
    boxes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RiskStanding:
    """How a risk stands.

    Attributes:
        risk: it.
        tier: as it is now: a tier more while a box that mitigates it is open.
        open_boxes: those.
        waived: those that are not asked for, which mitigate nothing.
        reason: why it stands so, in a sentence.
    """

    risk: Risk
    tier: Tier
    open_boxes: tuple[str, ...]
    waived: tuple[str, ...]
    reason: str

    @property
    def is_raised(self) -> bool:
        """Whether it is not as it was assessed; of the highest tier, whether that is challenged."""
        return bool(self.open_boxes or self.waived)


@cache
def own_risks() -> tuple[Risk, ...]:
    """The risks of our checklist."""
    file = resources.files("engine.readiness") / "risks.toml"
    return tuple(
        Risk(name, Tier(table["tier"]), table["text"], tuple(table["boxes"]))
        for name, table in tomllib.loads(file.read_text("utf-8")).items()
    )


def assess_risks(
    risks: tuple[Risk, ...], standings: Mapping[str, Standing]
) -> tuple[RiskStanding, ...]:
    """How each risk stands; those of whose boxes the checklist has none are left out.

    A checklist of somebody's own has none of them: its PRE-1.1 is another box than ours.

    Args:
        risks: as they were assessed.
        standings: of a release's boxes.
    """
    if not any(each.item.probe for each in standings.values()):
        # Of a checklist of one's own people decide, and nothing looks.
        return ()
    return tuple(
        _assessed(risk, standings) for risk in risks if any(box in standings for box in risk.boxes)
    )


def _assessed(risk: Risk, standings: Mapping[str, Standing]) -> RiskStanding:
    there = [box for box in risk.boxes if box in standings]
    open_boxes = tuple(box for box in there if not standings[box].state.is_settled)
    waived = tuple(box for box in there if standings[box].state is State.WAIVED)
    if not open_boxes and not waived:
        return RiskStanding(risk, risk.tier, (), (), f"All {len(there)} boxes are settled")
    tiers = list(Tier)
    tier = tiers[min(tiers.index(risk.tier) + 1, len(tiers) - 1)]
    first = (open_boxes or waived)[0]
    what = f"{len(open_boxes)} open, {len(waived)} waived"
    reason = f"Of {len(there)} boxes {what}; {first}: {standings[first].reason}"
    return RiskStanding(risk, tier, open_boxes, waived, reason)
