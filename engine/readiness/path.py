"""The shortest path to green: the fewest actions that settle boxes, in the order of who can act.

Pure. One run of the machine looks at any number of boxes, and one drill answers all boxes that it
is the probe of; each word that somebody gives is an action of its own. What no action of anybody
settles now (what nothing looks for yet, what was looked at and is wrong, what opens later) is said
as that.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from engine.readiness.assessment import Standing, State, waits_for_second
from engine.readiness.items import Gate, Kind
from engine.readiness.looking import Readiness
from engine.readiness.standing import PhaseStanding, WindowState


class ActionKind(StrEnum):
    """What is to be done, in the order of who can: a machine at once, a lead, others, time."""

    RUN = "run"
    SECOND = "agree"
    VOUCH = "vouch"
    DRILL = "drill"
    MEND = "mend"
    WAIVE = "waive"
    WAIT = "wait"
    SIGN = "sign"


@dataclass(frozen=True, slots=True)
class Action:
    """One step on the path.

    Attributes:
        kind: what is to be done.
        boxes: that it settles; none of a signature.
        words: what to do, in a sentence.
        phase_id: of a signature.
    """

    kind: ActionKind
    boxes: tuple[str, ...]
    words: str
    phase_id: str | None = None


def path_to_phase(
    readiness: Readiness, phase: PhaseStanding, runnable: Collection[str]
) -> tuple[Action, ...]:
    """What settles and signs off one phase; nothing when it is signed off.

    Args:
        readiness: of the release.
        phase: one of its.
        runnable: the boxes that a machine can look at.
    """
    return path_to(readiness, [phase], runnable)


def path_to(
    readiness: Readiness, phases: Iterable[PhaseStanding], runnable: Collection[str]
) -> tuple[Action, ...]:
    """What settles and signs off several phases, such as all up to one; each action once.

    Args:
        readiness: of the release.
        phases: of its.
        runnable: the boxes that a machine can look at.
    """
    wanted = list(phases)
    open_boxes = dict.fromkeys(
        leaf for phase in wanted for box in phase.blocking for leaf in _leaves(readiness, box)
    )
    steps = [*_steps(readiness, list(open_boxes), runnable), *_signatures(wanted)]
    order = list(ActionKind)
    return tuple(sorted(steps, key=lambda step: order.index(step.kind)))


def _leaves(readiness: Readiness, box: str) -> Iterator[str]:
    """The boxes that are decided by themselves and keep one open."""
    standing = readiness.standings[box]
    if standing.state.is_settled:
        return
    if standing.item.kind is not Kind.DERIVED:
        yield box
        return
    for each in standing.item.of:
        yield from _leaves(readiness, each)


def _steps(
    readiness: Readiness, boxes: Iterable[str], runnable: Collection[str]
) -> Iterator[Action]:
    # Boxes that one step settles, by what it is; in the order in which they come.
    together: dict[tuple[ActionKind, str], list[str]] = {}
    for box in boxes:
        standing = readiness.standings[box]
        opens = _opens_later(readiness, box)
        if opens is not None:
            together.setdefault((ActionKind.WAIT, opens), []).append(box)
        elif _helps_to_run(standing, runnable):
            together.setdefault((ActionKind.RUN, "Let a machine look"), []).append(box)
        elif _waits_for_second(readiness, box):
            exemption = readiness.knowledge.exemptions[box]
            words = (
                f"Agree to the waiver of {box} that {exemption.granted_by} has asked for"
                if exemption.state is State.WAIVED
                else f"Agree that {box} does not apply, as {exemption.granted_by} has said"
            )
            yield Action(ActionKind.SECOND, (box,), words)
        elif _is_to_be_drilled(standing, runnable):
            words = f"Run the drill {standing.item.probe}, or put its evidence down"
            together.setdefault((ActionKind.DRILL, words), []).append(box)
        elif _is_looked_at_by_nothing(standing):
            together.setdefault((ActionKind.WAIVE, _NOTHING_LOOKS), []).append(box)
        else:
            yield _by_somebody(standing)
    for (kind, words), settled in together.items():
        yield Action(kind, tuple(settled), words)


_NOTHING_LOOKS = "Nothing looks for it yet: ask for a waiver of each, to which somebody else agrees"
_TO_BE_RUN = frozenset({State.UNKNOWN, State.STALE})


def _helps_to_run(standing: Standing, runnable: Collection[str]) -> bool:
    """Whether a look may help: there was none, or things have changed since."""
    if standing.item.id not in runnable:
        return False
    evidence = standing.evidence
    return evidence is None or evidence.is_overtaken or standing.state is State.STALE


def _is_to_be_drilled(standing: Standing, runnable: Collection[str]) -> bool:
    """Whether a drill was not run, or not all of it where a machine looks at what came of it."""
    if standing.item.kind is not Kind.DRILL:
        return False
    is_partly_run = standing.state is State.INSUFFICIENT and standing.item.id in runnable
    return is_partly_run or standing.state in _TO_BE_RUN


def _is_looked_at_by_nothing(standing: Standing) -> bool:
    if standing.item.gate is Gate.ABSENT:
        return standing.state is State.UNKNOWN
    return standing.evidence is None and standing.item.kind is Kind.AUTOMATIC


def _waits_for_second(readiness: Readiness, box: str) -> bool:
    found = readiness.knowledge.exemptions.get(box)
    return found is not None and waits_for_second(
        readiness.standings[box].item, found, readiness.read_at
    )


def _by_somebody(standing: Standing) -> Action:
    # Whoever vouched may have written several lines; a step is one.
    box, state, reason = standing.item.id, standing.state, " ".join(standing.reason.split())
    if standing.evidence is not None and standing.evidence.is_gate_shut:
        kind = ActionKind.MEND if state is State.FAILING else ActionKind.WAIT
        return Action(kind, (box,), f"Nobody can vouch for {box} before this is mended: {reason}")
    if standing.item.kind is Kind.ATTESTED and state is not State.FAILING:
        return Action(ActionKind.VOUCH, (box,), f"Vouch for {box}: {reason}")
    if standing.item.kind is Kind.DRILL and state is State.INSUFFICIENT:
        return Action(ActionKind.VOUCH, (box,), f"Vouch for {box}: {reason}")
    if state is State.FAILING:
        return Action(ActionKind.MEND, (box,), f"Mend what {box} has found: {reason}")
    return Action(ActionKind.WAIT, (box,), f"{box} cannot be told yet: {reason}")


def _opens_later(readiness: Readiness, box: str) -> str | None:
    phase = next(
        each for each in readiness.phases if any(one.id == box for one in each.phase.boxes)
    )
    if phase.window is not WindowState.WAITING:
        return None
    if phase.opens_at is None:
        return "Put the deployment down: these phases come after it"
    return f"{phase.phase.id} opens at {phase.opens_at:%Y-%m-%d %H:%M} UTC"


def _signatures(phases: Iterable[PhaseStanding]) -> Iterator[Action]:
    for phase in phases:
        if not phase.is_signed_off:
            words = f"Sign {phase.phase.id} on the page, as a lead who is not its author"
            yield Action(ActionKind.SIGN, (), words, phase.phase.id)
