"""What a pasted text may mean: clues for a look into the database, which none is made for here.

A text is anything: an id, half of one, a log line, a screenshot's text, a page of JSON. What is
found in it depends on the text and the present instant alone; how much is looked for is bounded,
and so is the time, in proportion to the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, IntEnum
from itertools import islice
from typing import Final, TypeVar
from uuid import UUID

from engine.attempts import mistyped
from engine.attempts.legible import legible, lines
from engine.attempts.mistyped import as_read
from engine.attempts.moments import Span, spans
from engine.correlation import PREFIX, accepted_correlation_id, has_valid_check
from engine.quotes.shape import is_email_address

# Characters that are looked at; who pastes more has pasted something else than he thinks.
READ_MAX: Final = 64 * 1024
# A beginning shorter than this is one of half the ledger.
START_MIN: Final = 6

_IDS_MAX: Final = 48
_UUIDS_MAX: Final = 8
_NUMBERS_MAX: Final = 8
_EMAILS_MAX: Final = 8
_SUSPECTS_MAX: Final = 8
_STARTS_MAX: Final = 8
_VARIED_MAX: Final = 4
_ID_MAX: Final = 64
_ID_MIN: Final = 8
_KEY_MAX: Final = 255
# So few words are about one thing, and each may be the beginning of an id.
_FEW: Final = 3

T = TypeVar("T")


class Kind(Enum):
    """What a text was taken for."""

    CORRELATION_ID = "correlation id"
    TRACE_ID = "trace id"
    ATTEMPT_ID = "attempt id"
    QUOTE_ID = "quote id"
    CLIENT_ID = "client id"
    AGENT_ID = "agent id"
    QUOTE_NUMBER = "quote number"
    AGENT_EMAIL = "agent's e-mail"
    IDEMPOTENCY_KEY = "idempotency key"
    ERROR_CODE = "error code"


class Certainty(IntEnum):
    """How sure it is; the smaller the surer."""

    EXACT = 1
    LIKELY = 2
    GUESS = 3


@dataclass(frozen=True, slots=True)
class Clue:
    """Something that a text may name.

    Attributes:
        kind: of what.
        value: as the database has it, if it has it.
        certainty: how sure it is that this is meant, should it be there.
        reason: why, in words.
        is_start: the value is what an id starts with.
        instead_of: the id that this one was guessed from; where that one is there, it was meant.
        made_at: when the id says that it was made; None where it does not say.
    """

    kind: Kind
    value: str
    certainty: Certainty
    reason: str
    is_start: bool = False
    instead_of: str | None = None
    made_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Pasted:
    """What was read in a text.

    Attributes:
        clues: the surest first.
        faint: words that are hardly ids; worth a look when nothing else was found.
        spans: error codes, and when.
        unread: characters behind the first `READ_MAX`.
    """

    clues: tuple[Clue, ...]
    faint: tuple[Clue, ...]
    spans: tuple[Span, ...]
    unread: int


def read(text: str, now: datetime) -> Pasted:
    """What a text may name.

    Args:
        text: anything.
        now: the present instant.
    """
    given = text[:READ_MAX]
    plain = legible(given)[: 2 * READ_MAX]
    wrapped = list(islice(_across_lines(lines(plain)), _IDS_MAX))
    words = _words(plain)
    exact, suspects = _ours(plain, wrapped)
    ids = [*_labelled(plain), *words, *wrapped]
    strong = _first(_IDS_MAX, (each for each in ids if _is_strong(each)))
    faint = _first(_IDS_MAX, (each for each in ids if not _is_strong(each)))
    uuids = _first(_UUIDS_MAX, _uuids(plain, wrapped))
    clues = [
        *exact,
        *_of_ids(strong),
        *_traces(plain, wrapped),
        *_of_uuids(uuids),
        *_keys(given, plain, strong),
        *_quote_numbers(plain),
        *_emails(plain),
        *_meant(suspects, now),
        *_varied(strong),
        *_starts(plain, wrapped, [*strong, *faint] if len(words) <= _FEW else strong),
    ]
    return Pasted(
        _sorted(clues),
        tuple(_of_ids(each for each in faint if len(each) >= _ID_MIN)),
        spans(plain, now),
        len(text) - len(given),
    )


def _sorted(clues: Iterable[Clue]) -> tuple[Clue, ...]:
    """Each thing once, as the surest that it was taken for."""
    kept: dict[tuple[Kind, str, bool], Clue] = {}
    for clue in sorted(clues, key=lambda each: each.certainty):
        kept.setdefault((clue.kind, clue.value, clue.is_start), clue)
    return tuple(kept.values())


def _first(most: int, of: Iterable[T]) -> list[T]:
    """So many different ones."""
    return list(islice(dict.fromkeys(of), most))


# Words that may be ids.

_WORD: Final = re.compile(r"[A-Za-z0-9._-]{6,}")
_LABELLED: Final = re.compile(
    r"(?:correlation|request|idempotency|attempt)[\W_]{0,2}(?:id|key)[\s\"':=]{1,6}"
    r"([A-Za-z0-9._-]{6,64})",
    re.IGNORECASE,
)
_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}(?:T\d{0,6})?")
_ENDS: Final = "._-"


def _words(plain: str) -> list[str]:
    return _first(_KEY_MAX, (each for found in _WORD.finditer(plain) for each in _forms(found[0])))


def _labelled(plain: str) -> Iterator[str]:
    for found in islice(_LABELLED.finditer(plain), _IDS_MAX):
        yield from _forms(found[1])


def _forms(word: str) -> Iterator[str]:
    """A word as it stands, and without the full stop that may be the sentence's."""
    bare = word.strip(_ENDS)
    for each in (word, bare) if bare != word else (word,):
        if START_MIN <= len(each) <= _ID_MAX:
            yield each


def _is_strong(word: str) -> bool:
    """Whether it looks like an id: few words have a digit, and dates are not ids."""
    return any(map(str.isdigit, word)) and not _DATE.fullmatch(word)


def _across_lines(given: list[str]) -> Iterator[str]:
    """Words that a line break may have cut, put together."""
    heads = [_HEAD.match(line) for line in given]
    for first, line in enumerate(given[:-1]):
        tail = _last_word(line)
        if not tail:
            continue
        joined = tail
        for line_after, head in zip(given[first + 1 :], heads[first + 1 :], strict=True):
            if head is None:
                break
            joined += head[0]
            if len(joined) > _ID_MAX:
                break
            if len(joined) >= _ID_MIN:
                yield joined
                if (bare := joined.strip(_ENDS)) != joined:
                    yield bare
            if head.end() < len(line_after):
                break


_HEAD: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_WORD_CHARACTERS: Final = frozenset(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"
)


def _last_word(line: str) -> str:
    tail = line[-_ID_MAX:]
    start = len(tail)
    while start and tail[start - 1] in _WORD_CHARACTERS:
        start -= 1
    return tail[start:]


def _of_ids(words: Iterable[str]) -> Iterator[Clue]:
    for word in words:
        if accepted_correlation_id(word):
            yield Clue(Kind.CORRELATION_ID, word, Certainty.EXACT, "exact correlation id")


_FLIPS: Final = {
    "O": "0", "0": "O", "o": "0", "l": "1", "I": "1", "1": "l", "S": "5", "5": "S", "B": "8",
    "8": "B", "Z": "2", "2": "Z",
}  # fmt: skip
_FLIPPED_MAX: Final = 16
_TO_DIGITS: Final = str.maketrans("OolISBZ", "0011582")


def _varied(words: list[str]) -> Iterator[Clue]:
    """What a caller's own id may have been: its letters' case, and what looks alike in it."""
    for word in words[:_VARIED_MAX]:
        if len(word) < _ID_MIN:
            continue
        for other in (word.lower(), word.upper()):
            yield _instead(word, other, Certainty.LIKELY, "the same in another case")
        places = [place for place, each in enumerate(word) if each in _FLIPS][:_FLIPPED_MAX]
        flipped = [word[:place] + _FLIPS[word[place]] + word[place + 1 :] for place in places]
        for other in (word.translate(_TO_DIGITS), *flipped):
            yield _instead(word, other, Certainty.GUESS, "characters that look alike exchanged")


def _instead(word: str, other: str, certainty: Certainty, reason: str) -> Clue:
    # What was varied into itself is there as it stands, and that is surer.
    return Clue(Kind.CORRELATION_ID, other, certainty, reason, instead_of=word)


# Ids of our own making.

_JUNK: Final = r"[\s\-_.:,;\"'>\\/=*`|]"
# Anywhere, so that one beginning does not hide the id that comes after it.
_SPREAD: Final = re.compile(
    rf"(?=R{_JUNK}{{0,2}}E{_JUNK}{{0,2}}Q{_JUNK}{{0,8}}"
    rf"([0-9A-Z!](?:{_JUNK}{{0,8}}[0-9A-Z!]){{{mistyped.LENGTH - 1}}})(?![0-9A-Z]))",
    re.IGNORECASE,
)
_TOGETHER: Final = re.compile(
    rf"(?=REQ{_JUNK}{{0,4}}(\S{{{mistyped.LENGTH}}})(?![0-9A-Za-z]))", re.IGNORECASE
)
_RUN: Final = re.compile(
    rf"(?<![0-9A-Za-z])[0-9A-Za-z]{{{mistyped.LENGTH - 1},{mistyped.LENGTH + 4}}}(?![0-9A-Za-z])"
)
_JUNK_RUN: Final = re.compile(rf"{_JUNK}+")
_OURS_START: Final = re.compile(rf"REQ{_JUNK}{{0,4}}([0-9A-Z]{{2,28}})(?![0-9A-Z])", re.IGNORECASE)
_AS_IT_STANDS: Final = "exact correlation id"
_READ_PAST: Final = "correlation id, read past how it was written: its check character fits"


def _ours(plain: str, wrapped: list[str]) -> tuple[list[Clue], list[str]]:
    """Ids of our own making that are spelled right, and what may stand for another one.

    The latter without their prefix; of several mistakes in one id, one in 32 is spelled right.
    """
    right: dict[str, Clue] = {}
    wrong: dict[str, None] = {}
    covered: list[tuple[int, int]] = []
    for body, start, end in _bodies(plain):
        correlation_id = PREFIX + body
        if has_valid_check(correlation_id):
            covered.append((start, end))
            reason = _AS_IT_STANDS if correlation_id in plain else _READ_PAST
            right.setdefault(correlation_id, _our_clue(correlation_id, reason))
    for body, start, end in _bodies(plain):
        if not mistyped.LENGTH - 1 <= len(body) <= mistyped.LENGTH + 1:
            continue
        if not any(start < other_end and other_start < end for other_start, other_end in covered):
            wrong[body] = None
    for word in wrapped:
        for body, _, _ in _bodies(word):
            if has_valid_check(PREFIX + body):
                right.setdefault(PREFIX + body, _our_clue(PREFIX + body, _READ_PAST))
            elif not right:
                wrong[body] = None
    suspects = [*wrong, *(correlation_id.removeprefix(PREFIX) for correlation_id in right)]
    return list(right.values())[:_IDS_MAX], suspects[:_SUSPECTS_MAX]


def _our_clue(correlation_id: str, reason: str) -> Clue:
    return Clue(
        Kind.CORRELATION_ID,
        correlation_id,
        Certainty.EXACT,
        reason,
        made_at=mistyped.made_at(correlation_id),
    )


def _bodies(plain: str) -> Iterator[tuple[str, int, int]]:
    """What may stand behind the prefix of one of our ids, as it is read, and where it was."""
    for pattern in (_TOGETHER, _SPREAD):
        for found in islice(pattern.finditer(plain), _IDS_MAX):
            yield as_read(_JUNK_RUN.sub("", found[1])), found.start(1), found.end(1)
            if pattern is _TOGETHER:
                yield as_read(found[1]), found.start(1), found.end(1)
    for found in islice(_RUN.finditer(plain), _IDS_MAX):
        run = found[0]
        if len(run) <= mistyped.LENGTH + 1:
            yield as_read(run), found.start(), found.end()
        if len(run) >= mistyped.LENGTH + 2:
            yield as_read(run[len(PREFIX) - 1 :]), found.start(), found.end()


def _meant(suspects: list[str], now: datetime) -> Iterator[Clue]:
    for body in suspects:
        for original in mistyped.originals(body, now):
            yield Clue(
                Kind.CORRELATION_ID,
                original.correlation_id,
                Certainty.LIKELY,
                original.reason,
                instead_of=PREFIX + body,
                made_at=original.made_at,
            )


def _starts(plain: str, wrapped: list[str], words: list[str]) -> Iterator[Clue]:
    """What an id may start with."""
    ours = [
        PREFIX + as_read(found[1])
        for text in (plain, *wrapped)
        for found in islice(_OURS_START.finditer(text), _STARTS_MAX)
    ]
    bare = [PREFIX + as_read(word) for word in words if word[0] in "0oO" and word.isalnum()]
    own = [word for word in words if not _DATE.fullmatch(word)]
    capitals = [word.upper() for word in own if word.islower()]
    for start in _first(_STARTS_MAX, [*ours, *own, *bare, *capitals]):
        if START_MIN <= len(start) < _ID_MAX:
            yield Clue(Kind.CORRELATION_ID, start, Certainty.GUESS, "starts so", is_start=True)


# Everything else.

_HEX: Final = str.maketrans("OoIlLSsZzGg", "00111552266")
_UUID: Final = re.compile(
    r"(?<![0-9A-Za-z])"
    + r"[-\s]{0,3}".join(rf"([0-9A-Za-z]{{{size}}})" for size in (8, 4, 4, 4, 12))
    + r"(?![0-9A-Za-z])"
)
_TRACEPARENT: Final = re.compile(
    r"(?<![0-9a-f])[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(?![0-9a-f])", re.IGNORECASE
)
_QUOTE_NUMBER: Final = re.compile(
    r"(?<![0-9A-Z])QT[\s_-]{0,3}([0-9OILSB]{4})[\s_-]{0,3}([0-9OILSB]{1,9})(?![0-9A-Z])",
    re.IGNORECASE,
)
_DIGITS: Final = str.maketrans("OoIiLlSsBb", "0011115588")
_EMAIL: Final = re.compile(r"[^\s<>\"'(),;:@\[\]\\=]{1,64}@[^\s<>\"'(),;:@\[\]\\=/?&]{1,255}")
_KEY: Final = re.compile(r"[!-~]{1,255}")
_QUOTING: Final = "\"'`<>()[]{},;"


def _uuids(plain: str, wrapped: list[str]) -> Iterator[tuple[UUID, bool]]:
    """Ids of 128 bits, and whether each stands there as it is."""
    for text in (plain, *wrapped):
        for found in islice(_UUID.finditer(text), _IDS_MAX):
            written = "".join(found.groups())
            digits = written.translate(_HEX)
            try:
                value = UUID(hex=digits)
            except ValueError:
                continue
            yield value, digits == written


def _of_uuids(uuids: Iterable[tuple[UUID, bool]]) -> Iterator[Clue]:
    for value, is_as_written in uuids:
        certainty = Certainty.EXACT if is_as_written else Certainty.LIKELY
        how = "exact" if is_as_written else "characters that look alike exchanged:"
        made_at = mistyped.made_at_of(value)
        for kind in (Kind.ATTEMPT_ID, Kind.QUOTE_ID, Kind.CLIENT_ID, Kind.AGENT_ID):
            yield Clue(kind, str(value), certainty, f"{how} {kind.value}", made_at=made_at)
        for kind in (Kind.CORRELATION_ID, Kind.IDEMPOTENCY_KEY):
            for spelled in (str(value), value.hex):
                yield Clue(kind, spelled, certainty, f"{how} {kind.value}")
                yield Clue(kind, spelled.upper(), certainty, f"{how} {kind.value}")
        yield Clue(Kind.TRACE_ID, value.hex, certainty, f"{how} trace id")


def _traces(plain: str, wrapped: list[str]) -> Iterator[Clue]:
    for text in (plain, *wrapped):
        for found in islice(_TRACEPARENT.finditer(text), _UUIDS_MAX):
            yield Clue(Kind.TRACE_ID, found[1].lower(), Certainty.EXACT, "exact trace id")


def _keys(given: str, plain: str, words: list[str]) -> Iterator[Clue]:
    """Idempotency keys may be any visible characters."""
    whole = given.strip().strip(_QUOTING)
    apart = (each.strip(_QUOTING) for each in plain.split())
    likely = (each for each in apart if _is_strong(each) and len(each) >= START_MIN)
    for key in _first(_IDS_MAX, [whole, *islice(likely, _IDS_MAX), *words]):
        if _KEY.fullmatch(key):
            yield Clue(Kind.IDEMPOTENCY_KEY, key, Certainty.EXACT, "exact idempotency key")


def _quote_numbers(plain: str) -> Iterator[Clue]:
    for found in islice(_QUOTE_NUMBER.finditer(plain), _NUMBERS_MAX):
        year, number = (each.translate(_DIGITS) for each in found.groups())
        value = f"QT-{year}-{int(number):06d}"
        if value == found[0]:
            yield Clue(Kind.QUOTE_NUMBER, value, Certainty.EXACT, "exact quote number")
        else:
            yield Clue(Kind.QUOTE_NUMBER, value, Certainty.LIKELY, f"quote number, read as {value}")


def _emails(plain: str) -> Iterator[Clue]:
    if "@" not in plain:
        return
    found = (each[0].strip("._-") for each in _EMAIL.finditer(plain))
    for email in _first(_EMAILS_MAX, filter(is_email_address, found)):
        yield Clue(Kind.AGENT_EMAIL, email, Certainty.EXACT, "exact e-mail address of an agent")
