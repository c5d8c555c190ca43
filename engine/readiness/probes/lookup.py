"""Finding one request by its correlation id, as people write such ids down."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

from engine.attempts.lookup import Kind, find
from engine.correlation import PREFIX, has_valid_check
from engine.readiness.probes.asking import rows
from engine.readiness.probes.probe import Found, Question, failing, insufficient, passing

_LATELY: Final = timedelta(hours=1)
_IDS: Final = 20
_LOOKED_AT: Final = 20_000
_SLOWEST: Final = timedelta(seconds=1)
_SHARE: Final = 0.95
# Ids of our own making: what other people made has no check character to be mended by.
_SAMPLE: Final = """
    SELECT id, correlation_id
    FROM (
        SELECT id, correlation_id
        FROM attempt
        WHERE started_at >= %(since)s AND correlation_id LIKE 'REQ-%%'
        LIMIT %(most)s
    ) AS lately
    ORDER BY md5(id::text || %(chance)s)
    LIMIT %(wanted)s
"""
# What the alphabet leaves out is read as what it looks like.
_MISREAD: Final = str.maketrans("01", "OI")


class Asked(NamedTuple):
    """One question and its answer.

    Attributes:
        word: a short word for the id, which is not told itself.
        form: in which it was asked.
        is_right: whether the first answer was the right attempt.
        took: how long it took.
    """

    word: str
    form: str
    is_right: bool
    took: timedelta


def sample(question: Question) -> Found:
    """`lookup.sample`: whichever recent request is asked for, however mangled, it comes first."""
    runtime = question.runtime
    chosen = [
        (attempt_id, written)
        for attempt_id, written in rows(
            question,
            _SAMPLE,
            {
                "since": runtime.clock.now() - _LATELY,
                "most": _LOOKED_AT,
                "chance": runtime.clock.token(8).hex(),
                "wanted": _IDS,
            },
        )
        if has_valid_check(written)
    ]
    return judged([each for attempt in chosen for each in _ask(question, *attempt)], len(chosen))


def judged(asked: Sequence[Asked], ids: int) -> Found:
    """What questions and answers come to."""
    wrong = [each for each in asked if not each.is_right]
    times = sorted(each.took for each in asked)
    p95 = times[int(len(times) * _SHARE)] if times else timedelta(0)
    numbers: dict[str, Any] = {
        "ids": ids,
        "asked": len(asked),
        "right": len(asked) - len(wrong),
        "p95Ms": round(p95 / timedelta(milliseconds=1), 3),
        "hashed": sorted({each.word for each in asked}),
        "wrong": [f"{each.word} {each.form}" for each in wrong[:10]],
    }
    if wrong:
        reason = (
            f"{len(wrong)} of {len(asked)} mangled ids did not lead to their attempt first,"
            f" {wrong[0].form} for one"
        )
        return failing(reason, _SAMPLE, **numbers)
    if p95 >= _SLOWEST:
        return failing(f"P95 is {p95.total_seconds():.1f} s, of 1 s", _SAMPLE, **numbers)
    if ids < _IDS:
        reason = (
            f"{len(asked)} of {len(asked)} right, but only {ids} of {_IDS} ids in the last hour"
        )
        return insufficient(reason, _SAMPLE, **numbers)
    return passing(
        f"{len(asked)} of {len(asked)} mangled ids led to their attempt first,"
        f" P95 {p95 / timedelta(milliseconds=1):.1f} ms",
        _SAMPLE,
        **numbers,
    )


def mangled(correlation_id: str) -> Iterator[tuple[str, str]]:
    """An id as people write it down: what went wrong, and what came of it."""
    body = correlation_id.removeprefix(PREFIX)
    spelled = " ".join(body[start : start + 5] for start in range(0, len(body), 5))
    yield "spelled in a sentence", f"it was req-{spelled.lower().translate(_MISREAD)}, thanks"
    places = [at for at in range(10, len(body) - 1) if body[at] != body[at + 1]]
    if places:
        at = places[len(places) // 2]
        swapped = body[:at] + body[at + 1] + body[at] + body[at + 2 :]
        yield "two characters swapped", PREFIX + swapped
    place = len(body) // 2
    other = "7" if body[place] != "7" else "C"
    yield "one character mistyped", PREFIX + body[:place] + other + body[place + 1 :]


def _ask(question: Question, attempt_id: UUID, correlation_id: str) -> Iterator[Asked]:
    clock = question.runtime.clock
    word = hashlib.sha256(correlation_id.encode()).hexdigest()[:12]
    for form, text in mangled(correlation_id):
        before = clock.monotonic()
        with question.runtime.read_pool.connection() as connection:
            hits = find(connection, text, clock.now()).hits
        took = timedelta(seconds=clock.monotonic() - before)
        is_right = bool(
            hits
            and hits[0].kind is Kind.CORRELATION_ID
            and any(key.id == attempt_id for key in hits[0].attempts)
        )
        yield Asked(word, form, is_right, took)
