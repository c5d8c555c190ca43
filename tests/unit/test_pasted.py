"""What a pasted text may name is read in it, whatever was done to it, in little time."""

from __future__ import annotations

import re
import time
from bisect import bisect_left
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest

from engine.attempts.mistyped import as_read, made_at, originals
from engine.attempts.pasted import READ_MAX, Certainty, Clue, Kind, read
from engine.clock import uuid7
from engine.correlation import PREFIX, has_valid_check, make_correlation_id
from engine.errors import ErrorCode
from tests.faults.load import Dice
from tests.mangling import Mangler, callers_ids, our_ids

NOW: Final = datetime(2026, 11, 25, 14, 30, tzinfo=UTC)
DAY_MS: Final = 86_400_000
OURS: Final = make_correlation_id(uuid7(int(NOW.timestamp()) * 1000 - 5_000, bytes(range(10))))
LETTERS: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


class SetOfIds:
    """A database that is a set of ids."""

    def __init__(self, ids: Sequence[str]) -> None:
        self.ids = frozenset(ids)
        self._sorted = sorted(ids)

    def first(self, text: str) -> str | None:
        """The id that a text means most surely."""
        pasted = read(text, NOW)
        sure = [clue for clue in pasted.clues if not clue.is_start and clue.instead_of is None]
        meant = [clue for clue in pasted.clues if clue.instead_of is not None]
        for clue in [*sure, *meant]:
            if clue.kind is Kind.CORRELATION_ID and clue.value in self.ids:
                return clue.value
        starts = [self._started_so(clue) for clue in pasted.clues if clue.is_start]
        return next((found for found in starts if found is not None), None)

    def _started_so(self, clue: Clue) -> str | None:
        place = bisect_left(self._sorted, clue.value)
        found = self._sorted[place : place + 1]
        return found[0] if found and found[0].startswith(clue.value) else None


@pytest.mark.parametrize("seed", ["first", "second", "third"])
def test_of_a_thousand_mangled_ids_nearly_every_one_is_the_first_found(seed: str) -> None:
    dice = Dice(seed)
    ours = our_ids(dice, 3_000, int(NOW.timestamp()) * 1000 - 90 * DAY_MS, 90 * DAY_MS)
    callers = callers_ids(dice, 1_000)
    database = SetOfIds([*ours, *callers])

    mangled = Mangler(dice, ours, callers).texts(1_000)
    missed = [each for each in mangled if database.first(each.text) != each.meant]

    assert len(mangled) == 1_000
    assert len(missed) <= 5, "\n".join(f"{each.done}: {each!r}" for each in missed[:20])


def clues_of(text: str, kind: Kind, certainty: Certainty = Certainty.EXACT) -> list[str]:
    return [
        clue.value
        for clue in read(text, NOW).clues
        if clue.kind is kind and clue.certainty is certainty and not clue.is_start
    ]


# Mistyped ids.


def test_every_single_wrong_character_leads_back_to_the_id() -> None:
    body = OURS.removeprefix(PREFIX)
    for place in range(len(body)):
        for letter in set(LETTERS) - {body[place]}:
            wrong = body[:place] + letter + body[place + 1 :]

            offered = originals(wrong, NOW)

            assert OURS in [each.correlation_id for each in offered]
            assert len(offered) <= 60


def test_every_swap_of_two_leads_back_to_the_id() -> None:
    body = OURS.removeprefix(PREFIX)
    for first in range(len(body)):
        for second in range(first):
            swapped = list(body)
            swapped[first], swapped[second] = body[second], body[first]
            if swapped != list(body):
                offered = originals("".join(swapped), NOW)
                assert OURS in [each.correlation_id for each in offered]


def test_what_is_offered_is_spelled_right_and_was_made_before_now() -> None:
    body = OURS.removeprefix(PREFIX)
    for wrong in (body[:3] + "9" + body[4:], body[:20], body[1:], body + "0", "?" * 27, "", "U"):
        for original in originals(wrong, NOW):
            assert has_valid_check(original.correlation_id)
            assert datetime(2020, 1, 1, tzinfo=UTC) <= original.made_at
            assert original.made_at <= NOW + timedelta(days=1)
            assert original.correlation_id in original.reason


def test_a_look_alike_is_offered_before_any_other_mistake() -> None:
    made = (make_correlation_id(uuid7(1_795_617_000_000, bytes([n] * 10))) for n in range(99))
    given = next(each for each in made if "5" in each[14:])
    body = given.removeprefix(PREFIX)
    place = body.index("5", 10)

    offered = originals(body[:place] + "S" + body[place + 1 :], NOW)

    assert offered[0].correlation_id == given
    assert offered[0].reason == (
        f"one character taken for one that looks like it: its check character fits {given}"
    )


@pytest.mark.parametrize("given", ["REQ-", "", "REQ-01KG", OURS[:-2], "x" * 31, "REQ-" + "Z" * 27])
def test_what_holds_no_time_tells_none(given: str) -> None:
    assert made_at(given) is None


def test_letters_that_the_alphabet_leaves_out_are_read_as_what_they_look_like() -> None:
    assert as_read("oOiIlL|!u") == "00111111U"


# Other things than correlation ids.


@pytest.mark.parametrize(
    "text",
    [
        "0192a3b4-c5d6-7e8f-9a0b-112233445566",
        "0192A3B4-C5D6-7E8F-9A0B-112233445566",
        "0192a3b4c5d67e8f9a0b112233445566",
        "{0192a3b4-c5d6-7e8f-9a0b-112233445566}",
        "urn:uuid:0192a3b4-c5d6-7e8f-9a0b-112233445566.",
        "/v1/quotes/0192a3b4-c5d6-7e8f-9a0b-112233445566/send?x=1",
        "%2Fv1%2Fquotes%2F0192a3b4-c5d6-7e8f-9a0b-112233445566",
        '{"quoteId":"0192a3b4-c5d6-7e8f-9a0b-112233445566"}',
        "0192a3b4-c5d6-7e8f-\n  9a0b-112233445566",
        "> 0192a3b4-c5d6-7e\n> 8f-9a0b-112233445566",
        "0192a3b4\u2013c5d6\u20137e8f\u20139a0b\u2013112233445566",
    ],
)
@pytest.mark.parametrize("kind", [Kind.ATTEMPT_ID, Kind.QUOTE_ID, Kind.CLIENT_ID, Kind.AGENT_ID])
def test_an_id_of_128_bits_may_be_of_anything(text: str, kind: Kind) -> None:
    assert clues_of(text, kind) == ["0192a3b4-c5d6-7e8f-9a0b-112233445566"]


def test_letters_that_are_no_digits_are_read_as_the_digits_they_look_like() -> None:
    written = "O192a3b4-cSd6-7e8f-9aOb-ll2233445566"

    assert clues_of(written, Kind.QUOTE_ID) == []
    assert clues_of(written, Kind.QUOTE_ID, Certainty.LIKELY) == [
        "0192a3b4-c5d6-7e8f-9a0b-112233445566"
    ]


@pytest.mark.parametrize(
    "text",
    [
        "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00F067AA0BA902B7-01",
        '"trace_id":"4bf92f3577b34da6a3ce929d0e0e4736"',
        "00-4bf92f3577b34da6a3ce\n   929d0e0e4736-00f067aa0ba902b7-01",
    ],
)
def test_trace_ids_are_found(text: str) -> None:
    assert "4bf92f3577b34da6a3ce929d0e0e4736" in clues_of(text, Kind.TRACE_ID)


@pytest.mark.parametrize(
    ("text", "certainty"),
    [
        ("QT-2026-000042", Certainty.EXACT),
        ("Quote QT-2026-000042, please", Certainty.EXACT),
        ("qt-2026-000042", Certainty.LIKELY),
        ("QT 2026 42", Certainty.LIKELY),
        ("QT-2O26-OOOO42", Certainty.LIKELY),
        ("QT\u20132026\u2013000042", Certainty.EXACT),
    ],
)
def test_quote_numbers_are_found(text: str, certainty: Certainty) -> None:
    assert clues_of(text, Kind.QUOTE_NUMBER, certainty) == ["QT-2026-000042"]


@pytest.mark.parametrize(
    "text",
    ["ana@agency.example", "Ana <ana@agency.example>", "mailto:ana@agency.example?subject=x",
     "from ana@agency.example.", '{"email": "ana@agency.example"}'],
)  # fmt: skip
def test_e_mail_addresses_are_found(text: str) -> None:
    assert clues_of(text, Kind.AGENT_EMAIL) == ["ana@agency.example"]


@pytest.mark.parametrize("key", ["k", "order:42/retry#1", "7d4f!", "a" * 255])
def test_a_whole_text_of_visible_characters_may_be_an_idempotency_key(key: str) -> None:
    assert key in clues_of(f"  {key}\n", Kind.IDEMPOTENCY_KEY)


def test_a_key_is_found_beside_its_label() -> None:
    text = f"{'word1 ' * 500}\nIdempotency-Key: order-7/a\nkey=b"

    assert "order-7/a" in clues_of("Idempotency-Key: order-7/a", Kind.IDEMPOTENCY_KEY)
    assert "order-7" in clues_of(text, Kind.IDEMPOTENCY_KEY)


# Codes and times.


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("DATABASE_TIMEOUT around 14:03", "25T13:58:00", "25T14:09:00"),
        ("database timeout, 14:03 UTC", "25T13:58:00", "25T14:09:00"),
        ("at 2:03 pm: DATABASE-TIMEOUT", "25T13:58:00", "25T14:09:00"),
        ("DATABASE_TIMEOUT at 16:03", "24T15:58:00", "24T16:09:00"),  # it was yesterday
        ("DATABASE_TIMEOUT at 14:35", "25T14:30:00", "25T14:41:00"),  # a clock ahead of ours
        ("15:03+01:00 DATABASE_TIMEOUT", "25T13:58:00", "25T14:09:00"),
        ("2026-11-20T23:59:30.123Z DATABASE_TIMEOUT", "20T23:58:30", "21T00:00:30"),
        ("2026-11-20 04:00:00 -0500 DATABASE_TIMEOUT", "20T08:59:00", "20T09:01:00"),
        ("DATABASE_TIMEOUT", "24T14:30:00", "25T14:40:00"),
        ("DATABASE_TIMEOUT at 25:61", "24T14:30:00", "25T14:40:00"),
    ],
)
def test_a_code_is_looked_for_around_its_time(text: str, start: str, end: str) -> None:
    (span,) = read(text, NOW).spans

    assert span.code is ErrorCode.DATABASE_TIMEOUT
    assert span.start == datetime.fromisoformat(f"2026-11-{start}+00:00")
    assert span.end == datetime.fromisoformat(f"2026-11-{end}+00:00")
    assert span.has_time is ("last day" not in span.told)


@pytest.mark.parametrize("text", ["NO_DATABASE_TIMEOUT", "DATABASE_TIMEOUTS", "TIMEOUT 14:03"])
def test_what_is_no_code_is_none(text: str) -> None:
    assert read(text, NOW).spans == ()


@pytest.mark.parametrize("text", ["0001-01-01 00:00 ", "9999-12-31 23:59 "])
def test_a_time_at_the_ends_of_the_calendar_is_no_time(text: str) -> None:
    (span,) = read(f"{text}DATABASE_TIMEOUT", NOW).spans

    assert not span.has_time


# Whatever else somebody pastes.

_SIZE: Final = 2 * READ_MAX
HOSTILE: Final = {
    "nothing": "",
    "NUL": "\0" * _SIZE,
    "blanks": " " * _SIZE,
    "blank lines": "\n" * _SIZE,
    "punctuation": "-_.:,;\"'>\\/=*`|" * (_SIZE // 16),
    "escapes": "\\u0041\\x41\\n" * (_SIZE // 12),
    "percent signs": "%25" * (_SIZE // 3),
    "ampersands": "&amp;" * (_SIZE // 5),
    "prefixes": "REQ-" * (_SIZE // 4),
    "prefixes apart": "REQ" + "- " * _SIZE,
    "letters apart": "R E Q - 0 1 " * (_SIZE // 12),
    "bodies": "01KG9YS7KVF9D9MPJTB9D5MPJTM " * (_SIZE // 28),
    "zeros": "0" * _SIZE,
    "letters": "a" * _SIZE,
    "hex groups": "0192a3b4-" * (_SIZE // 9),
    "at signs": "a@" * (_SIZE // 2),
    "addresses": "a@b.example " * (_SIZE // 12),
    "codes": "DATABASE_TIMEOUT 14:03 " * (_SIZE // 23),
    "colons": "1:" * (_SIZE // 2),
    "lines of a word": "abcdef12\n" * (_SIZE // 9),
    "marks": "a\u0301\u0315\u0300" * (_SIZE // 4),
    "ligatures": "\ufdfa" * _SIZE,
    "right to left": "\u202e\u2066REQ" * (_SIZE // 5),
    "lone surrogates": "\ud800\udcff" * (_SIZE // 2),
    "quote numbers": "QT-" * (_SIZE // 3),
    "traces": "00-4bf92f3577b34da6a3ce929d0e0e4736-" * (_SIZE // 36),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_no_text_takes_long_or_asks_for_much(name: str) -> None:
    began = time.process_time()
    pasted = read(HOSTILE[name], NOW)
    spent_s = time.process_time() - began

    assert spent_s < 1.5
    assert len(pasted.clues) < 1_500
    assert len(pasted.faint) < 100
    assert len(pasted.spans) < 20
    for clue in [*pasted.clues, *pasted.faint]:
        assert re.fullmatch(r"[ -~]{1,255}", clue.value), clue
    assert pasted.unread == max(len(HOSTILE[name]) - READ_MAX, 0)


def test_twice_the_text_takes_no_more_than_a_few_times_as_long() -> None:
    def spent_s(text: str) -> float:
        began = time.process_time()
        read(text, NOW)
        return time.process_time() - began

    for name, text in HOSTILE.items():
        half = min(spent_s(text[: READ_MAX // 4]) for _ in range(3))
        whole = min(spent_s(text[:READ_MAX]) for _ in range(3))
        assert whole < 12 * half + 0.05, name


def test_ten_megabytes_are_cut_before_anything_else() -> None:
    began = time.process_time()
    pasted = read(OURS + " x" * 5_000_000, NOW)

    assert time.process_time() - began < 1.5
    assert pasted.clues[0].value == OURS
    assert pasted.unread == len(OURS) + 10_000_000 - READ_MAX


def test_a_beginning_is_looked_for_in_capitals_too() -> None:
    starts = [clue.value for clue in read("rpl-4c97ba", NOW).clues if clue.is_start]

    assert starts == ["rpl-4c97ba", "RPL-4C97BA"]
