"""A quote's history as one table: its versions, and in between what was attempted and made none.

Pure functions. Stored text stands in cells and is only text.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from enum import IntEnum
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import pandas as pd

from dashboard import quote_address, quote_words, wording
from dashboard.quote_address import Asked, Span
from dashboard.quote_reads import Timeline, TimelineEntry
from dashboard.wording import counted
from engine.attempts.of_quote import LOOK_MAX, Attempts, Gap, QuoteAttempt
from engine.attempts.outcome import Outcome
from engine.quotes.lifecycle import Operation

WHEN: Final = "When, UTC"
VERSION: Final = "Version"
OUTCOME: Final = "Outcome"
CODE: Final = "Code"
CORRELATION_ID: Final = "Correlation id"
WHAT: Final = "What changed"
OPEN: Final = "Open"
PRICE: Final = "Price"
# What a row's link leads to: the version beside the one before it, and the attempts in between.
_COMPARE, _ALL = "Compare", "All"
_MIGRATED: Final = "migrated"
OUTCOMES: Final = {**wording.OUTCOME_COLOURS, _MIGRATED: "gray"}


class Event(NamedTuple):
    """A row of the table.

    Attributes:
        at: when; None of a row that stands for others.
        what: in words.
        version: that was made.
        outcome: how the attempt ended; empty of a row that stands for others.
        code: of its error.
        correlation_id: of its request.
        link: where it leads; empty for nowhere.
        total: as stored.
        recomputed: as the items give it.
        price: whether the two agree; empty where there is no price.
        by: who made it.
        operation: that was attempted.
        attempt: how it went.
    """

    at: datetime | None
    what: str
    version: int | None = None
    outcome: str = ""
    code: str = ""
    correlation_id: str = ""
    link: str = ""
    total: str = ""
    recomputed: str = ""
    price: str = ""
    by: str = ""
    operation: str = ""
    attempt: str = ""


def events(shown: Timeline, asked: Asked) -> Iterator[Event]:
    """Versions and the attempts between them, newest first.

    Args:
        shown: what is known of them.
        asked: the page's address, for the links.
    """
    entries = sorted(
        shown.entries, key=lambda each: (each.version.modified_at, each.version.version)
    )
    for place in range(len(entries), -1, -1):
        older = entries[place - 1] if place else None
        newer = entries[place] if place < len(entries) else None
        if older is None and shown.has_older:
            # What lies before the oldest of a page stands on the next one.
            return
        span = Span(
            None if older is None else older.version.version,
            asked.versions_before if newer is None else newer.version.version,
        )
        yield from _between(shown, place, older, asked.within(span))
        if older is not None:
            yield _made(older, asked)


def _between(
    shown: Timeline, place: int, older: TimelineEntry | None, asked: Asked
) -> Iterator[Event]:
    """The attempts of one gap, and a row for those of them that are not shown."""
    found, looked_since = shown.gaps.gaps[place], shown.gaps.looked_since
    stood_at = None if older is None else older.version.version
    for each in found.attempts:
        yield refused(each, stood_at)
    is_all = looked_since is None or (
        older is not None and older.version.modified_at > looked_since
    )
    words = _left_out(found, is_all=is_all)
    if words:
        yield Event(None, words, link=quote_address.href(asked, _ALL))


def _left_out(gap: Gap, *, is_all: bool) -> str:
    """What of a gap is not listed; empty if all of it is."""
    left = gap.total - len(gap.attempts)
    if is_all:
        return f"{left:,} more that made no version, not listed here" if left else ""
    if left:
        return f"At least {left:,} more that made no version, not listed here"
    if gap.total:
        return "Not looked any further back for attempts that made no version"
    return "Not looked at for attempts that made no version"


def _made(entry: TimelineEntry, asked: Asked) -> Event:
    version = entry.version
    return Event(
        at=version.modified_at,
        what=entry.changed,
        version=version.version,
        outcome=_MIGRATED if version.attempt_id is None else Outcome.COMMITTED.name.lower(),
        correlation_id=version.correlation_id or "",
        link=""
        if entry.before is None
        else quote_address.href(asked.compared(entry.before, version.version), _COMPARE),
        total=quote_words.amount(entry.price.get("total"), entry.currency),
        recomputed=_recomputed(entry, "total"),
        price=_verdict(entry),
        by=quote_words.who(version.modified_by),
        operation=version.operation,
        attempt=_made_by(entry),
    )


def refused(attempt: QuoteAttempt, stood_at: int | None) -> Event:
    """An attempt that made no version.

    Args:
        attempt: as the ledger has it.
        stood_at: the version that the quote had by then; None if that is not known.
    """
    return Event(
        at=attempt.started_at,
        what=_circumstances(attempt, stood_at),
        outcome=_name(Outcome, attempt.outcome).lower(),
        code="" if attempt.error_code is None else wording.code_name(attempt.error_code),
        correlation_id=attempt.correlation_id,
        operation=_name(Operation, attempt.operation),
        attempt=_took(attempt),
    )


def _circumstances(attempt: QuoteAttempt, stood_at: int | None) -> str:
    """No version: from version 1, the quote was at 2; HTTP 409."""
    found = attempt.actual_version or stood_at
    told = [
        *([] if attempt.expected_version is None else [f"from version {attempt.expected_version}"]),
        *([] if found is None else [f"the quote was at {found}"]),
    ]
    status = "" if attempt.http_status is None else f"; HTTP {attempt.http_status}"
    return f"No version: {', '.join(told) or 'not said from which'}{status}"


def table(shown: Sequence[Event], zone: ZoneInfo | None) -> pd.DataFrame:
    """Events as a data frame, in their order.

    Args:
        shown: the events.
        zone: the viewer's; None where that is UTC.
    """
    columns: dict[str, list[object]] = {
        WHEN: [_instant(each.at) for each in shown],
        VERSION: ["" if each.version is None else str(each.version) for each in shown],
        OUTCOME: [[each.outcome] if each.outcome else [] for each in shown],
        CODE: [each.code for each in shown],
        CORRELATION_ID: [each.correlation_id for each in shown],
        OPEN: [each.link for each in shown],
        WHAT: [each.what for each in shown],
        "Total": [each.total for each in shown],
        "Recomputed": [each.recomputed for each in shown],
        PRICE: [[each.price] if each.price else [] for each in shown],
        "Operation": [each.operation for each in shown],
        "Attempt": [each.attempt for each in shown],
        "By": [each.by for each in shown],
    }
    if zone is not None:
        columns[f"When, {zone.key}"] = [_instant(each.at, zone) for each in shown]
    return pd.DataFrame(columns)


def summary(shown: Timeline, zone: ZoneInfo | None) -> str:
    """What of the attempts between the versions is not in the table; empty if nothing."""
    total = sum(each.total for each in shown.gaps.gaps)
    listed = sum(len(each.attempts) for each in shown.gaps.gaps)
    told = []
    if listed < total:
        told.append(
            f"Of {counted(total, 'attempt')} that made no version {listed:,} are listed: the newest"
            " between each two versions. “All” lists those between two of them."
        )
    if shown.gaps.looked_since is not None:
        reached = wording.clock_time(shown.gaps.looked_since, zone, None)
        told.append(
            f"Looked at {LOOK_MAX:,} attempts of this agent, back to {reached}; what is older is"
            " looked at when asked for."
        )
    return " ".join(told)


def reached(found: Attempts, zone: ZoneInfo | None) -> str:
    """How far back a look for attempts went, where that was cut short."""
    if not found.is_cut_short or found.next_before is None:
        return ""
    told = wording.clock_time(found.next_before[0], zone, None)
    return (
        f"Looked at {LOOK_MAX:,} attempts of this agent, back to {told}; what is older is looked at"
        " when asked for."
    )


def span_words(span: Span) -> str:
    """Between versions 4 and 5, since version 5, before version 1."""
    if span.newer is None:
        return f"since version {span.older}"
    if span.older is None:
        return f"before version {span.newer}"
    return f"between versions {span.older} and {span.newer}"


def prices(shown: Timeline) -> pd.DataFrame:
    """Each component that does not follow from the items, one a row."""
    rows = [
        (
            each.version.version,
            quote_words.title(name),
            quote_words.amount(each.price.get(name), each.currency),
            _recomputed(each, name),
        )
        for each in shown.entries
        if each.disagreement is not None
        for name in quote_words.COMPONENTS
        if f"{name}_repriced" in each.disagreement
    ]
    rows += [
        (each.version.version, "all", quote_words.NOTHING, str(each.disagreement["problem"]))
        for each in shown.entries
        if each.disagreement is not None
        and not any(name.endswith("_repriced") for name in each.disagreement)
    ]
    return pd.DataFrame(rows, columns=[VERSION, "Component", "Stored", "Recomputed"])


def _instant(moment: datetime | None, zone: ZoneInfo | None = None) -> str:
    """In full, midnight too: a column is easier to read when all its texts are as long."""
    return "" if moment is None else f"{moment.astimezone(zone or UTC):%Y-%m-%d %H:%M:%S.%f}"[:-3]


def _recomputed(entry: TimelineEntry, component: str) -> str:
    if not entry.is_readable:
        return quote_words.UNREADABLE.text
    said = quote_words.recomputed(component, entry.price, entry.disagreement)
    return "not possible" if said is None else quote_words.amount(said, entry.currency)


def _verdict(entry: TimelineEntry) -> str:
    return quote_words.price_verdict(
        is_readable=entry.is_readable, disagreement=entry.disagreement
    ).text


def _made_by(entry: TimelineEntry) -> str:
    """committed, 12.3 ms: what the ledger says of the attempt that made a version."""
    if entry.version.attempt_id is None:
        return "none: found by a migration"
    if entry.attempt is None:
        return "not in the ledger any more"
    return _took(entry.attempt)


def _took(attempt: QuoteAttempt) -> str:
    """conflict, 12.3 ms, 1 retry: how an attempt went."""
    told = [_name(Outcome, attempt.outcome).lower()]
    if attempt.duration_us:
        told.append(wording.milliseconds(attempt.duration_us))
    if attempt.retries:
        told.append("1 retry" if attempt.retries == 1 else f"{attempt.retries:,} retries")
    return ", ".join(told)


def _name(words: type[IntEnum], number: int) -> str:
    """A number of the ledger as a word; one that a newer release wrote keeps its number."""
    try:
        return words(number).name
    except ValueError:
        return str(number)
