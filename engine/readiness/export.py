"""A release written out: as the checklist that it was with its boxes ticked, as JSON, as a report.

A tick says that a box is proved, and nothing else: one that is waived or of no meaning stays open,
with a footnote that says so.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from importlib import resources
from string import Template
from typing import Any, Final

from engine.readiness.assessment import Standing, State, counts
from engine.readiness.checklist import Box
from engine.readiness.looking import Readiness
from engine.readiness.records import written_instant
from engine.readiness.rendering import Mark, render
from engine.readiness.risks import RiskStanding, assess_risks, own_risks
from engine.readiness.standing import PhaseStanding

# Of a digest, enough to find its record by.
DIGEST_SHOWN: Final = 12

# What each state means, for whoever counts them.
MEANINGS: Final[Mapping[State, str]] = {
    State.FAILING: "looked at, and not as it should be",
    State.STALE: "proved once, but things have changed or it is too long ago",
    State.INSUFFICIENT: "looked at, with too little to tell by",
    State.UNKNOWN: "never looked at, or not to be told",
    State.WAIVED: "not asked for until some time; two people have agreed",
    State.NOT_APPLICABLE: "of no meaning for this release; somebody said why",
    State.PASSING: "proved by evidence that is fresh",
}


def as_markdown(readiness: Readiness) -> str:
    """The release's checklist, byte for byte but for its boxes and footnotes."""
    return render(readiness.release.checklist, marks(readiness))


def marks(readiness: Readiness) -> dict[str, Mark]:
    """The tick and the footnote of every box."""
    return {
        item_id: Mark(standing.state is State.PASSING, _note(readiness, standing))
        for item_id, standing in readiness.standings.items()
    }


def as_facts(readiness: Readiness) -> dict[str, Any]:
    """All that is known of the release's boxes and phases, in JSON's own types."""
    release = readiness.release
    return {
        "release": {
            "id": str(release.id),
            "name": release.name,
            "commit": release.commit,
            "environment": release.environment,
            "author": release.author,
            "plannedFrom": _instant(release.planned_from),
            "plannedUntil": _instant(release.planned_until),
            "deployedAt": _instant(release.deployed_at),
        },
        "readAt": written_instant(readiness.read_at),
        "counts": {state.value: count for state, count in counts(readiness.standings).items()},
        "phases": [_phase(readiness, phase) for phase in readiness.phases],
        "risks": [risk_facts(each) for each in assess_risks(own_risks(), readiness.standings)],
    }


def as_html(readiness: Readiness) -> str:
    """A report to print: one file with nothing beside it, and every word in it a word."""
    release = readiness.release
    settled = sum(each.state.is_settled for each in readiness.standings.values())
    facts = [
        ("Commit", release.commit),
        ("Environment", release.environment),
        ("Author", release.author),
        ("Planned", _span(release.planned_from, release.planned_until)),
        ("Deployed", "not yet" if release.deployed_at is None else _told(release.deployed_at)),
        ("As of", _told(readiness.read_at)),
    ]
    return Template(_template()).substitute(
        title=_text(f"Readiness of {release.name}"),
        summary=_text(f"{settled} of {len(readiness.standings)} boxes are settled."),
        facts="".join(f"<dt>{_text(name)}</dt><dd>{_text(value)}</dd>" for name, value in facts),
        counts=_rows(
            (state.value, str(count), MEANINGS[state])
            for state, count in counts(readiness.standings).items()
        ),
        phases="".join(_phase_html(readiness, phase) for phase in readiness.phases),
        risks=_rows(
            (each.tier.value, each.risk.text, each.reason)
            for each in assess_risks(own_risks(), readiness.standings)
        ),
    )


def _note(readiness: Readiness, standing: Standing) -> str:
    words = [standing.state.value, standing.reason.rstrip(".")]
    exemption = readiness.knowledge.exemptions.get(standing.item.id)
    if exemption is not None and standing.state is exemption.state:
        if standing.state is State.WAIVED:
            words[0] = "WAIVED, not proved"
            until = "" if exemption.expires_at is None else _told(exemption.expires_at)
            words.append(f"until {until}, by {exemption.granted_by} and {exemption.second}")
        else:
            words[0] = "does not apply, not proved"
            agreed = "" if exemption.second is None else f" and {exemption.second}"
            words.append(f"{_told(exemption.granted_at)}, by {exemption.granted_by}{agreed}")
    elif standing.evidence is not None:
        evidence = standing.evidence
        words += [
            _told(evidence.ended_at),
            f"by {evidence.runner}",
            evidence.digest[:DIGEST_SHOWN],
        ]
    elif standing.blocked_by:
        words.append(f"blocked by {', '.join(standing.blocked_by)}")
    return "; ".join(words)


def _phase(readiness: Readiness, phase: PhaseStanding) -> dict[str, Any]:
    return {
        "id": phase.phase.id,
        "title": phase.phase.title,
        "settled": phase.settled,
        "total": phase.total,
        "isSignedOff": phase.is_signed_off,
        "blocking": list(phase.blocking),
        "window": phase.window.value,
        "opensAt": _instant(phase.opens_at),
        "closesAt": _instant(phase.closes_at),
        "seen": phase.seen,
        "signOffs": [
            {
                "id": str(each.id),
                "who": each.who,
                "role": each.role,
                "meaning": each.meaning,
                "comment": each.comment,
                "signedAt": written_instant(each.signed_at),
                "seen": each.seen,
                "stillStands": each.states == phase.states,
            }
            for each in phase.sign_offs
        ],
        "boxes": [_box(readiness, box) for box in phase.phase.boxes],
    }


def _box(readiness: Readiness, box: Box) -> dict[str, Any]:
    standing = readiness.standings[box.id]
    evidence, exemption = standing.evidence, readiness.knowledge.exemptions.get(box.id)
    return {
        "id": box.id,
        "text": box.text,
        "kind": standing.item.kind.value,
        "probe": standing.item.probe,
        "state": standing.state.value,
        "reason": standing.reason,
        "staleAt": _instant(standing.stale_at),
        "blockedBy": list(standing.blocked_by),
        "evidence": None
        if evidence is None
        else {
            "verdict": evidence.verdict.value,
            "reason": evidence.reason,
            "endedAt": written_instant(evidence.ended_at),
            "by": evidence.runner,
            "digest": evidence.digest,
            "numbers": dict(evidence.numbers),
        },
        "exemption": None
        if exemption is None
        else {
            "state": exemption.state.value,
            "reason": exemption.reason,
            "by": exemption.granted_by,
            "second": exemption.second,
            "grantedAt": written_instant(exemption.granted_at),
            "expiresAt": _instant(exemption.expires_at),
        },
    }


def risk_facts(standing: RiskStanding) -> dict[str, Any]:
    """How a risk stands, in JSON's own types."""
    return {
        "id": standing.risk.id,
        "text": standing.risk.text,
        "assessedAs": standing.risk.tier.value,
        "tier": standing.tier.value,
        "isRaised": standing.is_raised,
        "open": list(standing.open_boxes),
        "waived": list(standing.waived),
        "reason": standing.reason,
    }


def _phase_html(readiness: Readiness, phase: PhaseStanding) -> str:
    boxes = _rows(
        (
            "☑" if readiness.standings[box.id].state is State.PASSING else "☐",
            box.id,
            box.text,
            *_note(readiness, readiness.standings[box.id]).split("; ", 1),
        )
        for box in phase.phase.boxes
    )
    signed = _rows(
        (each.who, each.role, each.meaning, _told(each.signed_at), each.comment, each.seen[:12])
        for each in phase.sign_offs
    )
    state = "signed off" if phase.is_signed_off else "not signed off"
    head = _text(f"{phase.phase.id} {phase.phase.title}")
    told = _text(f"{phase.settled} of {phase.total} boxes settled; {state}.")
    table = f"<table><tbody>{boxes}</tbody></table>"
    signatures = f"<table class='signatures'><tbody>{signed}</tbody></table>" if signed else ""
    return f"<section><h2>{head}</h2><p>{told}</p>{table}{signatures}</section>"


def _rows(rows: Iterable[Sequence[str]]) -> str:
    return "".join(_row(row) for row in rows)


def _row(cells: Sequence[str]) -> str:
    return f"<tr>{''.join(_cells(cells))}</tr>"


def _cells(cells: Sequence[str]) -> Iterator[str]:
    for cell in cells:
        yield f"<td>{_text(cell)}</td>"


def _text(words: str) -> str:
    return html.escape(words, quote=True)


def _told(instant: datetime) -> str:
    return f"{instant.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _span(start: datetime | None, end: datetime | None) -> str:
    return "not planned" if start is None or end is None else f"{_told(start)} to {_told(end)}"


def _instant(instant: datetime | None) -> str | None:
    return None if instant is None else written_instant(instant)


@cache
def _template() -> str:
    return (resources.files("engine.readiness") / "report.html").read_text("utf-8")
