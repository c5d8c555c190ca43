"""What a receipt says: which attempts a number counts, how often they were counted, and by what.

Pure functions.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from dashboard.wording import Words, count, counted, milliseconds
from engine.attempts.outcome import Path
from engine.rollups.counts import Traffic
from engine.rollups.grid import Window
from engine.rollups.receipt import Receipt, Untold
from engine.rollups.selection import Selection

AGREE: Final = Words("Both counts agree", "green")
DISAGREE: Final = Words("The counts differ", "red")
NONE_IN_BOTH: Final = Words("None by both counts", "gray")
NOT_COMPARED: Final = Words("Not compared", "gray")
NO_DATA: Final = "No data"

_TRAFFIC: Final = {
    Traffic.LIVE: "live traffic",
    Traffic.SYNTHETIC: "synthetic traffic",
    Traffic.DRILL: "drill traffic",
    Traffic.LOAD: "load test traffic",
    Traffic.UNKNOWN_CALLER: "refused before an agent was known",
    None: "traffic of every kind",
}
_PATHS: Final = {Path.HARDENED: "on the hardened path", Path.LEGACY: "on the legacy path"}
_UNTOLD: Final = {
    Untold.WINDOW: (
        "The rollups cannot tell: those of their rows that are still kept do not begin and end at"
        " these instants."
    ),
    Untold.DURATIONS: (
        "The rollups cannot tell: these bounds of the duration are not those of their histogram."
    ),
    Untold.FIELDS: "The rollups cannot tell: they do not know which fields were changed.",
    Untold.CODE_OF_PART: (
        "The rollups cannot tell: they do not count this code within this part alone."
    ),
}
_PARAMETERS: Final = {
    "from": "from",
    "until": "until",
    "only_part": "part",
    "only_operation": "operation",
    "only_traffic": "traffic",
    "only_path": "path",
    "only_code": "code",
    "only_changed": "changed fields",
    "at_least_us": "shortest duration",
    "below_us": "longest duration",
    "before": "page",
}


def sentence(selection: Selection) -> str:
    """Which attempts these are; what fields they changed is told apart, in the ledger's words."""
    return f"{', '.join(_said(selection))}, that started {span(selection.window)}"


def _said(selection: Selection) -> Iterator[str]:
    operation, traffic, path = selection.wanted
    title = selection.part.title
    if operation is None:
        yield title[0].upper() + title[1:]
    elif title.startswith("attempts"):
        yield f"{operation.name} {title}"
    else:
        yield title[0].upper() + title[1:]
        yield f"operation {operation.name}"
    if selection.code is not None:
        yield f"with code {selection.code.value}"
    yield _TRAFFIC[traffic]
    if path is not None:
        yield _PATHS[path]
    at_least, below = selection.at_least_us, selection.below_us
    if at_least is not None:
        yield f"that took {_exact(at_least)} or longer"
    if below is not None:
        yield f"that took less than {_exact(below)}"
    if selection.changed_fields is not None:
        yield "that changed just the fields below"


def span(window: Window) -> str:
    """From 2026-11-25 21:00:00 UTC until 21:05:00 UTC; the date once if it is the same."""
    start, end = (each.astimezone(UTC) for each in window)
    until = instant(end)
    if start.date() == end.date():
        until = until.partition(" ")[2]
    return f"from {instant(start)} until {until}"


def instant(moment: datetime) -> str:
    """2026-11-25 21:00:00 UTC, with as many digits of the second as it has."""
    said = moment.astimezone(UTC).replace(tzinfo=None).isoformat(" ")
    return f"{said} UTC"


def _exact(microseconds: int) -> str:
    """12.345 ms: a bound is told in full."""
    return f"{microseconds / 1000:,.3f} ms"


def unread(names: tuple[str, ...]) -> str:
    """Which parameters of the address could not be read; empty if all could."""
    if not names:
        return ""
    if names == ("from", "until"):
        return (
            "This address does not say which attempts it means: from and until must be instants"
            " like 2026-11-25T21:00:00Z, the first before the second."
        )
    told = ", ".join(_PARAMETERS.get(name, name) for name in names)
    left_out = f"Not understood in this address, and left out: {told}."
    if names == ("before",):
        return f"{left_out} These are the newest."
    return f"{left_out} The number may be another one than was meant."


def by_rollups(receipt: Receipt | None) -> str:
    """The number by rollups and tail."""
    if receipt is None:
        return NO_DATA
    return "Unknown" if receipt.rolled is None else count(receipt.rolled)


def by_rows(receipt: Receipt | None) -> str:
    """The number by the ledger's rows."""
    if receipt is None or receipt.kept is None:
        return NO_DATA
    return "Not counted" if receipt.counted is None else count(receipt.counted)


def verdict(receipt: Receipt | None) -> Words:
    """Whether both numbers are the same."""
    if receipt is None or receipt.agrees is None:
        return NOT_COMPARED
    if not receipt.agrees:
        return DISAGREE
    return AGREE if receipt.counted else NONE_IN_BOTH


def remarks(receipt: Receipt, selection: Selection, now: datetime) -> Iterator[str]:
    """What else is to be known of the numbers, a sentence each."""
    if selection.window.end > now:
        yield "The window is not over yet: the number still moves."
    if receipt.untold is not None:
        yield _UNTOLD[receipt.untold]
    if receipt.kept is None:
        yield "Retention has dropped the rows of the whole window: nothing can be counted again."
    elif receipt.kept != selection.window:
        yield _partly(receipt, receipt.kept)
    if receipt.agrees is False:
        yield (
            "The rollups and the ledger must agree, and do not. See saveguard rollup status"
            " --check, and rebuild them with saveguard rollup rebuild."
        )
    if receipt.counted is None and receipt.kept is not None:
        yield (
            f"Counting again looks at about {counted(receipt.to_look_at, 'row')}, so it is done"
            " when asked for."
        )


def _partly(receipt: Receipt, kept: Window) -> str:
    since = f"Retention has dropped the rows from before {instant(kept.start)}"
    if receipt.rolled is None or receipt.rolled_kept is None:
        return f"{since}: they are not in the count from rows."
    gone = receipt.rolled - receipt.rolled_kept
    return (
        f"{since}: {count(gone)} of the attempts cannot be counted again. Of the others the rollups"
        f" count {count(receipt.rolled_kept)}."
    )


def gave_up(patience: timedelta) -> str:
    """What is said when the rows could not be counted in time."""
    return (
        f"The rows could not be counted within {patience.total_seconds():.0f} seconds. Choose a"
        " shorter window, or run the query below in psql."
    )


def duration(microseconds: int) -> str:
    """12.3 ms; an attempt whose process died took an unknown time."""
    return milliseconds(microseconds) if microseconds else "unknown"


def file_name(selection: Selection) -> str:
    """What a file of these attempts is called, without its ending: letters, digits and hyphens."""
    operation, traffic, path = selection.wanted
    words = (
        "attempts",
        selection.part.key.replace("_", "-"),
        None if operation is None else operation.name,
        None if selection.code is None else selection.code.value.replace("_", "-"),
        "any-traffic" if traffic is None else traffic.name.lower().replace("_", "-"),
        None if path is None else path.name.lower(),
        *(f"{each.astimezone(UTC):%Y%m%dT%H%M%SZ}" for each in selection.window),
    )
    return "-".join(word for word in words if word is not None)
