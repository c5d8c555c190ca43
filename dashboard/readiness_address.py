"""The addresses of the page of readiness: a release, one of its phases, one of its boxes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from engine.quotes.shape import parse_uuid
from engine.readiness.looking import Readiness

RELEASE: Final = "release"
PHASE: Final = "phase"
BOX: Final = "box"


@dataclass(frozen=True, slots=True)
class Asked:
    """What an address asks for.

    Attributes:
        release_id: None for none, and for what is no id.
        phase_id: as it is said there; None for none.
        box_id: likewise.
        is_understood: whether the release, if one is named, is named by an id.
    """

    release_id: UUID | None
    phase_id: str | None
    box_id: str | None
    is_understood: bool


def read(said: Mapping[str, str]) -> Asked:
    """What the parameters of the page say; anything may stand there."""
    named = said.get(RELEASE, "").strip()
    release_id = parse_uuid(named) if named else None
    return Asked(
        release_id,
        said.get(PHASE),
        said.get(BOX),
        is_understood=not named or release_id is not None,
    )


def parameters(release_id: UUID, phase_id: str, box_id: str | None = None) -> dict[str, str]:
    """The parameters of the page, for whatever leads there."""
    found = {RELEASE: str(release_id), PHASE: phase_id}
    return found if box_id is None else {**found, BOX: box_id}


def box_in(readiness: Readiness, boxes: Sequence[str], asked: Asked) -> str | None:
    """The box that is asked for, if it is one of these."""
    known = asked.box_id if asked.box_id in readiness.standings else None
    return known if known in boxes else None
