"""What a probe is given, and what it says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from engine.readiness.assessment import Verdict
from engine.readiness.checklist import Phase
from engine.readiness.items import Item
from engine.readiness.knowledge import Release
from engine.runtime import Runtime


@dataclass(frozen=True, slots=True)
class Question:
    """One box that is looked at.

    Attributes:
        runtime: the engine that is looked at, and looked with.
        release: of which release.
        item: of the box.
        phase: that it is of.
        shared: what probes of one run have found already, by a name of theirs: several boxes are
            answered by one look.
    """

    runtime: Runtime
    release: Release
    item: Item
    phase: Phase
    shared: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Found:
    """What a probe found.

    Attributes:
        verdict: what it came to. Whatever cannot be decided is UNKNOWN, with the reason.
        reason: in a sentence, with the number that decides.
        numbers: what was measured, in JSON's own types.
        witness: the query, the request or the file that anybody can look at again.
    """

    verdict: Verdict
    reason: str
    numbers: Mapping[str, Any] = field(default_factory=dict)
    witness: str = ""


Probe: TypeAlias = Callable[[Question], Found]


def passing(reason: str, witness: str = "", **numbers: object) -> Found:
    """It is as it should be."""
    return Found(Verdict.PASSING, reason, numbers, witness)


def failing(reason: str, witness: str = "", **numbers: object) -> Found:
    """It is not as it should be."""
    return Found(Verdict.FAILING, reason, numbers, witness)


def unknown(reason: str, witness: str = "", **numbers: object) -> Found:
    """It cannot be told."""
    return Found(Verdict.UNKNOWN, reason, numbers, witness)


def insufficient(reason: str, witness: str = "", **numbers: object) -> Found:
    """There is too little to tell by."""
    return Found(Verdict.INSUFFICIENT, reason, numbers, witness)


def decided(is_good: bool, good: str, bad: str, witness: str = "", **numbers: object) -> Found:  # noqa: FBT001  # what it is about
    """One or the other."""
    return passing(good, witness, **numbers) if is_good else failing(bad, witness, **numbers)
