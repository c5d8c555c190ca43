"""A release written out: the checklist as it was, facts, a report, a signed attestation."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from engine.readiness.assessment import State, Verdict, assess
from engine.readiness.attestation import PAYLOAD_TYPE, encoded, envelope, key_id, opened
from engine.readiness.export import as_facts, as_html, as_markdown
from engine.readiness.knowledge import knowledge_of
from engine.readiness.looking import Readiness
from engine.readiness.records import RecordKind, written_instant
from engine.readiness.releases import own_checklist
from engine.readiness.risks import Tier, assess_risks, own_risks
from engine.readiness.signing import Signer
from engine.readiness.standing import phase_standings
from engine.readiness.tables import ReadinessRecord
from tests.unit.readiness_records import CLOCK, HOUR, NOW, THINGS, evidence, record, released

_REFERENCE = re.compile(r"\[\^[A-Z]+-[\d.]+\](?=\r?$)", re.MULTILINE)
_NOTE = re.compile(r"^\[\^[A-Z]+-[\d.]+\]: .*\n", re.MULTILINE)
_TICK = re.compile(r"^(\s*- \[)[ xX](\])", re.MULTILINE)
HOSTILE = '<script>alert(1)</script> & "quoted" <img src=x onerror=alert(2)>'


def readiness(*records: ReadinessRecord, first: ReadinessRecord | None = None) -> Readiness:
    known = knowledge_of([released() if first is None else first, *records])
    standings = assess(known.release.items, known.known(THINGS), NOW)
    return Readiness(known, standings, phase_standings(known, standings, NOW), NOW)


def waived(box: str = "PRE-1.1", reason: str = "The page comes next week") -> list[ReadinessRecord]:
    until = written_instant(NOW + timedelta(days=7))
    waiver = record(
        RecordKind.WAIVER,
        {"reason": reason, "expiresAt": until},
        NOW - HOUR,
        item_id=box,
        recorded_by="lia",
        account_id=CLOCK.uuid7(),
    )
    agreed = record(
        RecordKind.SECOND,
        {"recordId": str(waiver.id)},
        NOW,
        item_id=box,
        recorded_by="rui",
        account_id=CLOCK.uuid7(),
    )
    return [waiver, agreed]


def without_marks(markdown: str) -> str:
    return _TICK.sub(r"\1 \2", _REFERENCE.sub("", _NOTE.sub("", markdown)))


def lines_of(markdown: str, box: str) -> tuple[str, str]:
    """The line of a box, and its footnote."""
    reference = f"[^{box}]"
    line, note = (each for each in markdown.splitlines() if reference in each)
    return line, note.removeprefix(f"{reference}: ")


@pytest.mark.parametrize("ending", ["\n", "\r\n"], ids=["unix", "windows"])
def test_an_untouched_checklist_is_the_same_byte_for_byte_but_for_boxes_and_footnotes(
    ending: str,
) -> None:
    markdown = own_checklist().replace("\n", ending)
    written = as_markdown(readiness(first=released(checklist=markdown)))

    kept = without_marks(written)
    assert kept.rstrip("\n") == _TICK.sub(r"\1 \2", markdown).rstrip("\n")
    assert len(_NOTE.findall(written)) == 170
    assert "- [x]" not in written


def test_a_proved_box_is_ticked_with_its_evidence_in_a_footnote() -> None:
    found = evidence("PRE-1.1", NOW - HOUR)
    line, note = lines_of(as_markdown(readiness(found)), "PRE-1.1")

    assert line.startswith("- [x] ")
    assert note == f"passing; Two of two; 2026-11-26 11:00 UTC; by ops; {found.digest.hex()[:12]}"


def test_a_waived_box_is_not_ticked_and_says_that_it_is_not_proved() -> None:
    line, note = lines_of(as_markdown(readiness(*waived())), "PRE-1.1")

    assert line.startswith("- [ ] ")
    assert note == (
        "WAIVED, not proved; The page comes next week; until 2026-12-03 12:00 UTC, by lia and rui"
    )


def test_a_failing_box_is_not_ticked_though_the_checklist_was() -> None:
    line, note = lines_of(
        as_markdown(readiness(evidence("PRE-1.1", NOW - HOUR, Verdict.FAILING))), "PRE-1.1"
    )

    assert line.startswith("- [ ] ")
    assert note.startswith("failing; ")


def test_a_footnote_stays_one_line_whatever_was_said() -> None:
    looked = evidence("PRE-6.4", NOW - 2 * HOUR)
    said = evidence("PRE-6.4", NOW - HOUR, is_attested=True, reason="one\n\n[^PRE-1.1]: passing")
    written = as_markdown(readiness(looked, said))

    assert r"PRE-6.4]: passing; one \[^PRE-1.1\]: passing; Two of two " in written
    assert len(_NOTE.findall(written)) == 170


def test_a_footnote_has_no_link_and_no_markup_in_it() -> None:
    words = "<b>[a](javascript:x)</b> https://a.example WWW.b.example `c` \u202ed"
    looked = evidence("PRE-6.4", NOW - 2 * HOUR)
    said = evidence("PRE-6.4", NOW - HOUR, is_attested=True, reason=words)
    _, note = lines_of(as_markdown(readiness(looked, said)), "PRE-6.4")

    assert note.startswith(
        r"passing; \<b\>\[a\](javascript:x)\</b\> https\://a.example WWW\.b.example \`c\` d; Two"
    )


def test_a_box_that_does_not_apply_is_not_ticked_and_says_so() -> None:
    apart, agreed = waived()
    apart.kind, apart.body = RecordKind.NOT_APPLICABLE.value, '{"reason": "There is none"}'
    line, note = lines_of(as_markdown(readiness(apart, agreed)), "PRE-1.1")

    assert line.startswith("- [ ] ")
    assert note == (
        "does not apply, not proved; There is none; 2026-11-26 11:00 UTC, by lia and rui"
    )


def test_facts_count_every_state_and_hold_every_box() -> None:
    facts = as_facts(readiness(evidence("PRE-1.1", NOW - HOUR), *waived("PRE-1.2")))

    assert facts["counts"].keys() == {state.value for state in State}
    assert (facts["counts"]["passing"], facts["counts"]["waived"]) == (1, 1)
    boxes = [box for phase in facts["phases"] for box in phase["boxes"]]
    assert len(boxes) == 170
    assert boxes[1]["exemption"]["second"] == "rui"


def test_hostile_words_stay_words_in_the_report() -> None:
    hostile = released(
        name=HOSTILE, author=HOSTILE, checklist=f"## Pre\n### Phase 1: {HOSTILE}\n- [ ] {HOSTILE}\n"
    )
    report = as_html(readiness(*waived(reason=HOSTILE), first=hostile))

    assert "<script" not in report
    assert "<img" not in report
    assert report.count(html.escape(HOSTILE)) >= 5
    assert "default-src 'none'" in report
    assert not re.search(r"(src|href)\s*=", report.replace(html.escape(HOSTILE), ""))


def test_the_report_has_every_box_and_nothing_left_to_fill_in() -> None:
    report = as_html(readiness())

    assert report.count("<tr><td>☐</td>") == 170
    assert "$" not in report.replace("$title", "?")


def test_an_attestation_is_signed_as_the_standard_says(tmp_path: Path) -> None:
    signer = Signer(tmp_path)
    stated = {"_type": "https://in-toto.io/Statement/v1", "predicate": {"é": 1}}

    signed = envelope(stated, signer)

    assert signed["payloadType"] == PAYLOAD_TYPE
    assert signed["signatures"][0]["keyid"] == key_id(signer.public_key)
    assert opened(signed, signer.public_key) == stated
    # The example of DSSE's own protocol page.
    assert (
        encoded("http://example.com/HelloWorld", b"hello world")
        == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )
    key = Ed25519PublicKey.from_public_bytes(signer.public_key)
    assert opened(signed, b"\x01" * 32) is None
    assert key is not None


@pytest.mark.parametrize("change", [{"payload": "e30="}, {"payloadType": "application/json"}])
def test_an_attestation_that_was_changed_does_not_open(
    tmp_path: Path, change: Mapping[str, str]
) -> None:
    signer = Signer(tmp_path)
    signed = envelope({"predicate": {}}, signer)

    assert opened({**signed, **change}, signer.public_key) is None


def test_what_is_no_envelope_is_refused() -> None:
    with pytest.raises(ValueError, match="no envelope"):
        opened({"payload": "e30="}, b"")


def test_every_risk_is_in_the_checklists_own_words_and_has_boxes_that_there_are() -> None:
    now = readiness()
    texts = own_checklist().splitlines()

    for risk in own_risks():
        assert f"- {risk.text}" in texts
        assert set(risk.boxes) <= set(now.standings)
    assert {risk.tier for risk in own_risks()} == set(Tier)


def test_an_open_or_waived_box_raises_its_risk_and_a_settled_one_does_not() -> None:
    (risk, *_) = own_risks()
    now = readiness()
    raised = assess_risks((risk,), now.standings)[0]

    good = {box: replace(now.standings[box], state=State.PASSING) for box in risk.boxes}
    settled = assess_risks((risk,), good)[0]
    first = {**good, risk.boxes[0]: replace(good[risk.boxes[0]], state=State.WAIVED)}
    waived_one = assess_risks((risk,), first)[0]

    assert (raised.is_raised, raised.tier, raised.open_boxes) == (True, Tier.MEDIUM, risk.boxes)
    assert (settled.is_raised, settled.tier) == (False, Tier.LOW)
    assert (waived_one.tier, waived_one.waived) == (Tier.MEDIUM, risk.boxes[:1])
