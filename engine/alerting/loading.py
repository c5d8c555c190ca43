"""The rules, read from `rules.toml` and checked: what is wrong is named by rule and field."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from datetime import timedelta
from decimal import Decimal
from functools import cache
from importlib import resources
from typing import Any, Final, TypeVar

from engine.alerting.burn_rules import derived_rules
from engine.alerting.durations import read_duration
from engine.alerting.rules import (
    CHANNEL_NAMES,
    AlertSeverity,
    Condition,
    Rule,
    Share,
    Standstill,
    Watched,
)
from engine.errors import SetupError
from engine.quotes.lifecycle import Operation
from engine.rollups.counts import Traffic
from engine.rollups.parts import Part
from engine.slo.objectives import OBJECTIVES, PARTS

T = TypeVar("T")

_PERCENT: Final = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,6})?) ?%", re.ASCII)
_ID: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{2,60}", re.ASCII)
_ATTEMPTS_MAX: Final = 1_000_000_000
_WINDOW_MAX: Final = timedelta(days=30)
# For how long a rule waits that never says that there are no numbers.
NEVER: Final = "never"
_REQUIRED: Final = object()


@cache
def own_rules() -> tuple[Rule, ...]:
    """The rules that come with this release: those of the file, and those that follow."""
    text = (resources.files("engine.alerting") / "rules.toml").read_text("utf-8")
    return (*read_rules(text), *derived_rules())


def read_rules(text: str) -> tuple[Rule, ...]:
    """The rules of a TOML text, a table for each, in its order.

    Raises:
        SetupError: a field is missing, is not known, or holds what it cannot.
    """
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SetupError(f"alert rules: {error}") from None
    return tuple(_rule(rule_id, table) for rule_id, table in tables.items())


class Fields:
    """The fields of one rule, each taken once; what nobody takes is not known."""

    def __init__(self, rule_id: str, values: object) -> None:
        """Begins with all of them.

        Args:
            rule_id: named in every error.
            values: a mapping.

        Raises:
            SetupError: it is none; so do all methods for what cannot be taken.
        """
        self.rule_id = rule_id
        if not isinstance(values, Mapping):
            raise SetupError(f"alert rule {rule_id}: its fields are missing")
        self._values = dict(values)

    def take(self, name: str, read: Callable[[Any], T], default: T | object = _REQUIRED) -> T:
        """One field.

        Args:
            name: of the field.
            read: makes it of what is written, or raises ValueError.
            default: what it is when it is not written; without one it has to be.
        """
        if name not in self._values:
            if default is _REQUIRED:
                raise SetupError(f"alert rule {self.rule_id}: {name} is missing")
            return default  # type: ignore[return-value]
        written = self._values.pop(name)
        try:
            return read(written)
        except ValueError as error:
            raise SetupError(f"alert rule {self.rule_id}: {name}: {error}") from None

    def has(self, name: str) -> bool:
        """Whether it is written and was not taken yet."""
        return name in self._values

    def end(self, allowed: str) -> None:
        """Refuses what is left.

        Args:
            allowed: says what there may be.
        """
        if self._values:
            left = ", ".join(sorted(map(str, self._values)))
            raise SetupError(f"alert rule {self.rule_id}: there is no field {left}; {allowed}")


def read_share(written: object) -> float:
    """A share written in percent, such as "0.1 %".

    Raises:
        ValueError: it is not one, or is above 100 %.
    """
    found = _PERCENT.fullmatch(written.strip()) if isinstance(written, str) else None
    if found is None:
        raise ValueError(f'{written!r} is no share, such as "0.1 %"')
    share = Decimal(found[1]) / 100
    if share >= 1:
        raise ValueError(f"{written!r} can never be exceeded")
    return float(share)


def read_span(written: object) -> timedelta:
    """A duration such as "5 min".

    Raises:
        ValueError: it is not one, or is longer than 30 days.
    """
    span = read_duration(written if isinstance(written, str) else str(written))
    if span > _WINDOW_MAX:
        raise ValueError(f"{written!r} is longer than 30 d")
    return span


def read_positive_span(written: object) -> timedelta:
    """The same, but not 0.

    Raises:
        ValueError: it is not one, is 0, or is longer than 30 days.
    """
    span = read_span(written)
    if not span:
        raise ValueError("takes longer than no time")
    return span


def read_wait(written: object) -> timedelta | None:
    """A duration that is not 0, or None for "never".

    Raises:
        ValueError: it is neither, or is longer than 30 days.
    """
    return None if written == NEVER else read_positive_span(written)


def read_count(written: object) -> int:
    """A whole number of at least 1.

    Raises:
        ValueError: it is not one.
    """
    if isinstance(written, bool) or not isinstance(written, int) or not 0 < written < _ATTEMPTS_MAX:
        raise ValueError(f"{written!r} is no whole number of at least 1")
    return written


def read_flag(written: object) -> bool:
    """True or false.

    Raises:
        ValueError: it is neither.
    """
    if not isinstance(written, bool):
        raise ValueError(f"{written!r} is neither true nor false")  # noqa: TRY004  # fields' only error
    return written


def _rule(rule_id: str, table: object) -> Rule:
    fields = Fields(rule_id, table)
    if _ID.fullmatch(rule_id) is None:
        raise SetupError(f"alert rule {rule_id!r}: an id is of letters, digits, - and _")
    rule = Rule(
        id=rule_id,
        name=fields.take("name", _text),
        severity=fields.take("severity", _one_of(AlertSeverity.__members__)),
        condition=_standstill(fields) if fields.has("watched") else _share(fields),
        channels=fields.take("channels", _channels),
        hold=fields.take("hold", read_span, timedelta(0)),
        keep=fields.take("keep", read_span, timedelta(0)),
        no_data_after=fields.take("no_data_after", read_wait, None),
        guards=fields.take("guards", _objectives, frozenset()),
        runbook=fields.take("runbook", _text, rule_id),
        group=fields.take("group", _text, rule_id),
        is_silenceable=fields.take("silenceable", read_flag, True),  # noqa: FBT003  # its default
    )
    fields.end("see docs/reference/alert-rules.md")
    return rule


def _share(fields: Fields) -> Condition:
    above = fields.take("threshold", read_share)
    return Share(
        bad=fields.take("bad", _part),
        of=fields.take("of", _part),
        above=above,
        window=fields.take("window", read_positive_span),
        operation=fields.take("operation", _one_of(Operation.__members__), None),
        least=fields.take("least", read_count, 1 if above else 0),
        traffic=fields.take("traffic", _one_of(Traffic.__members__), Traffic.LIVE),
    )


def _standstill(fields: Fields) -> Condition:
    return Standstill(
        watched=fields.take("watched", _one_of({each.value: each for each in Watched})),
        intervals=fields.take("intervals", read_count, 2),
    )


def _part(written: object) -> Part:
    return _one_of(PARTS)(written)


def _one_of(known: Mapping[str, T]) -> Callable[[object], T]:
    def read(written: object) -> T:
        if not isinstance(written, str) or written not in known:
            raise ValueError(f"{written!r} is none of {', '.join(known)}")
        return known[written]

    return read


def _text(written: object) -> str:
    if not isinstance(written, str) or not written.strip():
        raise ValueError(f"{written!r} says nothing")
    return written


def _listed(written: object) -> list[object]:
    if not isinstance(written, list) or len(set(map(str, written))) < len(written):
        raise ValueError(f"{written!r} is no list of different names")
    return written


def _channels(written: object) -> tuple[str, ...]:
    read = _one_of({name: name for name in CHANNEL_NAMES})
    names = tuple(map(read, _listed(written)))
    if not names:
        raise ValueError("nobody is told")
    return names


def _objectives(written: object) -> frozenset[str]:
    read = _one_of({key: key for key in OBJECTIVES})
    return frozenset(map(read, _listed(written)))
