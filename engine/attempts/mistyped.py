"""Which ids of our own making somebody may have meant who mistyped one.

The check character is a sum over the places, so it says for each place which character would make
an id right: of the 837 ids that differ in one character, 27 are left, and of all swaps a few.
Which of these there is, the ledger knows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import combinations
from typing import Final, NamedTuple
from uuid import RFC_4122, UUID

from engine.correlation import ALPHABET, BODY_LENGTH, PREFIX, check_character, has_valid_check

LENGTH: Final = BODY_LENGTH + 1
# An id's time is in its first ten characters; nobody made one before this software was.
_FIRST_MS: Final = int(datetime(2020, 1, 1, tzinfo=UTC).timestamp() * 1000)
_LAST_MS: Final = int(datetime(9999, 1, 1, tzinfo=UTC).timestamp() * 1000)
_AHEAD: Final = timedelta(days=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_VERSION: Final = 7
_UNKNOWN: Final = None

_VALUE: Final = {letter: value for value, letter in enumerate(ALPHABET)}
# What the alphabet leaves out because it looks like something that is in it.
_READ_AS: Final = str.maketrans("OIL|!", "01111")
# What else is taken for each other, by eyes and by programs that read screenshots.
_ALIKE: Final = tuple(
    frozenset(pair)
    for pair in (
        "S5", "B8", "Z2", "G6", "0D", "0Q", "DQ", "17", "VY", "MN", "CG", "EF", "PR", "4A", "HN",
        "38", "KX", "VW", "9G", "1T", "1J",
    )
)  # fmt: skip
# Those that are mistaken over and over in one id.
_CONFUSED: Final = dict(zip("S5B8Z2G6", "5S8B2Z6G", strict=True))
# Of so many places each choice is tried; of more, up to three of them.
_ALL_CHOICES: Final = 8
_CHOSEN_MAX: Final = 3


class Original(NamedTuple):
    """An id that may have been meant.

    Attributes:
        correlation_id: spelled right.
        made_at: when it says that it was made.
        reason: what must have gone wrong, in words.
    """

    correlation_id: str
    made_at: datetime
    reason: str


def as_read(body: str) -> str:
    """Characters after the prefix as the alphabet reads them: capitals, O as 0, I and L as 1."""
    return body.upper().translate(_READ_AS)


def made_at(correlation_id: str) -> datetime | None:
    """When an id of our making says that it was made; None when nothing of ours says that."""
    body = correlation_id.removeprefix(PREFIX)[:BODY_LENGTH]
    if len(body) < BODY_LENGTH:
        return None
    value = 0
    for letter in body:
        if letter not in _VALUE:
            return None
        value = value << 5 | _VALUE[letter]
    return None if value >> 128 else made_at_of(UUID(int=value))


def made_at_of(given: UUID) -> datetime | None:
    """When an id was made, to the millisecond; None unless it is of the kind that tells."""
    if given.version != _VERSION or given.variant != RFC_4122:
        return None
    milliseconds = given.int >> 80
    return None if milliseconds > _LAST_MS else _EPOCH + timedelta(milliseconds=milliseconds)


def is_plausible(at: datetime | None, now: datetime) -> bool:
    """Whether an id may have been made at an instant."""
    return at is not None and _EPOCH + timedelta(milliseconds=_FIRST_MS) <= at <= now + _AHEAD


def originals(body: str, now: datetime) -> tuple[Original, ...]:
    """The ids that a mistyped one may have been, the likelier mistakes first.

    Args:
        body: what was read after the prefix, see `as_read`; 26 to 28 characters, of which two may
            be outside the alphabet. One that is spelled right may be so by chance.
        now: the present instant: no id was made after it.

    Returns:
        Some dozens at most, none twice.
    """
    found: dict[str, Original] = {}
    for right, reason in _right_bodies(body):
        correlation_id = PREFIX + right
        at = made_at(correlation_id)
        if at is None or not is_plausible(at, now) or not has_valid_check(correlation_id):
            continue
        if right == body:
            continue
        found.setdefault(
            correlation_id,
            Original(correlation_id, at, f"{reason}: its check character fits {correlation_id}"),
        )
    return tuple(found.values())


def _right_bodies(body: str) -> Iterator[tuple[str, str]]:
    match len(body) - LENGTH:
        case 0:
            yield from _of_whole([_VALUE.get(letter, _UNKNOWN) for letter in body])
        case 1:
            for place in range(len(body)):
                yield body[:place] + body[place + 1 :], "one character too many"
        case -1:
            for place in range(len(body) + 1):
                values = [_VALUE.get(letter, _UNKNOWN) for letter in body]
                values.insert(place, _UNKNOWN)
                for right in _with_known(values):
                    yield right, "one character missing"
        case _:
            return


def _of_whole(values: list[int | None]) -> Iterator[tuple[str, str]]:
    if _UNKNOWN in values:
        is_one = values.count(_UNKNOWN) == 1
        for right in _with_known(values):
            yield right, "one character mistyped" if is_one else "two characters mistyped"
        return
    known = [value for value in values if value is not None]
    wrong = _sum(known)
    replaced = [(place, known[place] ^ _factor(place, wrong)) for place in range(LENGTH)]
    for place, value in replaced:
        if _is_alike(known[place], value):
            yield _spelled(known, {place: value}), "one character taken for one that looks like it"
    yield from _swaps(known, wrong, ((place, place + 1) for place in range(LENGTH - 1)))
    for places in _choices(known):
        if _confusion_sum(known, places) == wrong:
            changed = {place: _confused(known[place]) for place in places}
            yield _spelled(known, changed), "characters taken for ones that look like them"
    for place, value in replaced:
        yield _spelled(known, {place: value}), "one character mistyped"
    yield from _swaps(known, wrong, combinations(range(LENGTH), 2))


def _swaps(
    values: Sequence[int], wrong: int, pairs: Iterable[tuple[int, int]]
) -> Iterator[tuple[str, str]]:
    for first, second in pairs:
        if _swap_sum(values, first, second) == wrong:
            swapped = {first: values[second], second: values[first]}
            yield _spelled(values, swapped), "two characters swapped"


def _with_known(values: Sequence[int | None]) -> Iterator[str]:
    """The spellings in which one or two unknown characters have become known."""
    places = [place for place, value in enumerate(values) if value is _UNKNOWN]
    known = [value or 0 for value in values]
    match places:
        case [place]:
            yield _spelled(known, {place: _factor(place, _sum(known))})
        case [first, second]:
            for value in range(len(ALPHABET)):
                known[first] = value
                yield _spelled(known, {second: _factor(second, _sum(known))})
        case _:
            return


def _spelled(values: Sequence[int], changed: dict[int, int]) -> str:
    return "".join(ALPHABET[changed.get(place, value)] for place, value in enumerate(values))


def _is_alike(one: int, other: int) -> bool:
    return frozenset((ALPHABET[one], ALPHABET[other])) in _ALIKE


def _confused(value: int) -> int:
    return _VALUE[_CONFUSED[ALPHABET[value]]]


def _choices(values: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Places of which at least two may have been confused together."""
    places = [place for place, value in enumerate(values) if ALPHABET[value] in _CONFUSED]
    most = len(places) if len(places) <= _ALL_CHOICES else _CHOSEN_MAX
    for count in range(2, most + 1):
        yield from combinations(places, count)


# What a character adds to the sum that is nothing when the check character fits, by place and
# value: all of it follows from the check being linear.
_ADDED: Final = (
    *(
        tuple(
            _VALUE[check_character(value << 5 * (BODY_LENGTH - 1 - place))]
            for value in range(len(ALPHABET))
        )
        for place in range(BODY_LENGTH)
    ),
    tuple(range(len(ALPHABET))),
)
# The other way round: by place and sum, the change of a character that adds it.
_FACTORS: Final = tuple(
    {added: value for value, added in enumerate(of_place)} for of_place in _ADDED
)


def _sum(values: Sequence[int]) -> int:
    total = 0
    for of_place, value in zip(_ADDED, values, strict=True):
        total ^= of_place[value]
    return total


def _factor(place: int, added: int) -> int:
    return _FACTORS[place][added]


def _swap_sum(values: Sequence[int], first: int, second: int) -> int:
    change = values[first] ^ values[second]
    return _ADDED[first][change] ^ _ADDED[second][change]


def _confusion_sum(values: Sequence[int], places: Sequence[int]) -> int:
    total = 0
    for place in places:
        total ^= _ADDED[place][values[place] ^ _confused(values[place])]
    return total
