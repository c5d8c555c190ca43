"""The errors page's tables as data frames: what stands in which column, as text or number."""

from __future__ import annotations

from typing import Final

import pandas as pd

from dashboard import errors_wording, receipts, wording
from dashboard.error_codes import facts
from dashboard.errors_wording import NO_DATA, share, when
from engine.attempts.outcome import Path
from engine.rollups import parts
from engine.rollups.counts import Counts, Traffic
from engine.rollups.failures import Failures, Moment
from engine.rollups.parts import Part
from engine.rollups.selection import Filter, Selection

CODE: Final = "Code"
SEVERITY: Final = "Severity"
COUNT: Final = "Attempts"
LINK: Final = "Show"
RUNBOOK: Final = "Runbook"
CORRELATION_ID: Final = "Correlation id"
NEWEST_ID: Final = "Newest correlation id"
DURATION: Final = "Duration, ms"
HARDENED_LINK: Final = "Show hardened"
LEGACY_LINK: Final = "Show legacy"
# What names an attempt, or leads to any.
OF_ATTEMPTS: Final = (LINK, CORRELATION_ID, NEWEST_ID, HARDENED_LINK, LEGACY_LINK)


def codes(found: Failures) -> pd.DataFrame:
    """One row for each code of the window, most frequent first; a phone shows how many of which."""
    known = [(each, facts(each.number)) for each in found.codes]
    counts, before = found.counts, found.counts_before
    return pd.DataFrame(
        {
            CODE: [told.name for _, told in known],
            COUNT: [each.count for each, _ in known],
            SEVERITY: [[told.severity.text] for _, told in known],
            LINK: [_href(found, found.wanted, each.number) for each, _ in known],
            "Share": [share(each.count, counts.attempts) for each, _ in known],
            "Trend": [
                errors_wording.trend(each.count, counts.attempts, each.before, before.attempts)
                for each, _ in known
            ],
            NEWEST_ID: [
                "" if each.sample is None else next(iter(each.sample.correlation_ids), "")
                for each, _ in known
            ],
            "Whose doing": [told.doing for _, told in known],
            "Retryable": [told.retryable for _, told in known],
            "Last seen, UTC": [when(each.last_seen) for each, _ in known],
            "First seen, UTC": [when(each.first_seen) for each, _ in known],
            "Agents": [None if each.sample is None else each.sample.agents for each, _ in known],
            "Quotes": [None if each.sample is None else each.sample.quotes for each, _ in known],
            "Looked at": [errors_wording.looked_at(each) for each, _ in known],
            "Title": [told.title for _, told in known],
            RUNBOOK: [
                "" if told.code is None else f"errors?code={told.code.value}" for _, told in known
            ],
        }
    )


def shapes(found: Failures) -> pd.DataFrame:
    """One row for each shape of failures, most frequent first; what leads on stands in sight."""
    return pd.DataFrame(
        {
            CODE: [facts(each.number).name for each in found.shapes],
            COUNT: [each.count for each in found.shapes],
            LINK: [
                _href(
                    found,
                    found.wanted._replace(operation=each.operation, path=each.path),
                    each.number,
                    each.changed_fields,
                )
                for each in found.shapes
            ],
            CORRELATION_ID: [each.correlation_id for each in found.shapes],
            "Operation": [each.operation.name for each in found.shapes],
            "Path": [each.path.name.lower() for each in found.shapes],
            "Changed fields": [_fields(each.changed_fields) for each in found.shapes],
            "HTTP status": [
                "" if each.http_status is None else str(each.http_status) for each in found.shapes
            ],
            "Last seen, UTC": [when(Moment(each.last_at)) for each in found.shapes],
            "First seen, UTC": [when(Moment(each.first_at)) for each in found.shapes],
            "Agents": [each.agents for each in found.shapes],
            "Quotes": [each.quotes for each in found.shapes],
        }
    )


def newest(found: Failures) -> pd.DataFrame:
    """The newest failed attempts, one a row; what became of it stands first, as on a phone."""
    return pd.DataFrame(
        {
            "Started, UTC": [when(Moment(each.started_at)) for each in found.newest],
            CODE: [facts(each.number).name for each in found.newest],
            "Outcome": [each.outcome.name.lower() for each in found.newest],
            "Operation": [each.operation.name for each in found.newest],
            DURATION: [wording.known_tenths(each.duration_us) for each in found.newest],
            CORRELATION_ID: [each.correlation_id for each in found.newest],
            "Quote": ["" if each.quote_id is None else str(each.quote_id) for each in found.newest],
        }
    )


# Every rate by the attempts that count against it; the first two are told by the others.
_RATES: Final[tuple[tuple[str, Part, bool], ...]] = (
    ("Success rate", parts.UNSUCCESSFUL, True),
    ("Service success rate", parts.SERVICE_FAILURES, True),
    ("Error rate", parts.UNSUCCESSFUL, False),
    ("Critical error rate", parts.CRITICAL_ERRORS, False),
    ("Conflict rate", parts.CONFLICTS, False),
    ("Rollback rate", parts.ROLLED_BACK, False),
)


def paths(found: Failures) -> pd.DataFrame:
    """Each rate on the hardened path and on the legacy one, one a row."""
    hardened, legacy = found.by_path[Path.HARDENED], found.by_path[Path.LEGACY]

    def link(path: Path, part: Part) -> str:
        if not part.count(found.by_path[path]):
            return ""
        return receipts.href(Selection(found.window, found.wanted._replace(path=path), part))

    counted = [("Attempts", parts.ALL), *((name, part) for name, part, _ in _RATES)]
    return pd.DataFrame(
        {
            "": [name for name, _ in counted],
            "Hardened": [_attempts(hardened), *(_rate(hardened, *each[1:]) for each in _RATES)],
            "Legacy": [_attempts(legacy), *(_rate(legacy, *each[1:]) for each in _RATES)],
            "Difference": [
                "",
                *(errors_wording.difference(part, hardened, legacy) for _, part, _ in _RATES),
            ],
            HARDENED_LINK: [link(Path.HARDENED, part) for _, part in counted],
            LEGACY_LINK: [link(Path.LEGACY, part) for _, part in counted],
        }
    )


def unknown_caller(found: Failures) -> pd.DataFrame:
    """The codes of attempts that were refused before an agent was known, one a row."""
    refused = found.unknown_caller or Counts()
    wanted = found.wanted._replace(traffic=Traffic.UNKNOWN_CALLER)
    by_count = sorted(
        ((number, count) for number, count in refused.by_code.items() if number and count),
        key=lambda each: (-each[1], each[0]),
    )
    arrived = refused.attempts + found.counts.attempts
    return pd.DataFrame(
        {
            CODE: [facts(number).name for number, _ in by_count],
            COUNT: [count for _, count in by_count],
            LINK: [_href(found, wanted, number) for number, _ in by_count],
            "Share of arrivals": [share(count, arrived) for _, count in by_count],
        }
    )


def _attempts(counts: Counts) -> str:
    return wording.count(counts.attempts) if counts.attempts else NO_DATA


def _rate(counts: Counts, bad: Part, is_good: bool) -> str:  # noqa: FBT001  # a column of a table
    """98 % (96.5 % to 99.1 %): the share, and where the true one lies."""
    if not counts.attempts:
        return NO_DATA
    number = bad.count(counts)
    if not is_good:
        return (
            f"{share(number, counts.attempts)} ({errors_wording.bounds(number, counts.attempts)})"
        )
    good = counts.attempts - number
    return (
        f"{wording.percent(good / counts.attempts)}"
        f" ({errors_wording.bounds(good, counts.attempts)})"
    )


def _href(found: Failures, wanted: Filter, number: int, changed_fields: str | None = None) -> str:
    """Where the attempts with a code are; empty for a code that no address can name."""
    code = facts(number).code
    if code is None:
        return ""
    return receipts.href(Selection(found.window, wanted, code=code, changed_fields=changed_fields))


def _fields(changed: str | None) -> str:
    return "" if changed is None else changed.replace(",", ", ")
