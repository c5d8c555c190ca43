"""The lookup page's words and tables, from what was found to what is drawn.

Pure functions. Stored text comes out printable and is for elements that interpret nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import UUID

import pandas as pd

from dashboard import wording
from dashboard.error_codes import SEVERITY_COLOURS
from dashboard.lookup_reads import Looked
from dashboard.wording import Words, counted
from engine.attempts import words
from engine.attempts.lookup import Certainty, Found, Hit
from engine.attempts.pasted import READ_MAX
from engine.attempts.story import Neighbour, Story
from engine.attempts.words import NOT_STORED, Row, instant, printable
from engine.errors import ErrorCode, Severity

OPEN: Final = "Story"
_OPEN: Final = "Open"
_ECHO_MAX: Final = 200
WHAT_TO_TRY: Final = (
    (
        "Paste the whole correlation id, REQ- and 27 characters: it is in every answer and in its"
        " header X-Correlation-ID."
    ),
    (
        "While the database is away, attempts wait in the journal of the process that took them;"
        " they are found once they are in the ledger."
    ),
    "Attempts of days that retention has dropped are gone.",
    "Without any id: choose the time and the code on the page of attempts.",
)
NO_ATTEMPT: Final = "What it names is in the database, but no attempt of it is."
OWN_ONLY: Final = "Only attempts of your own agent are looked at."
# A line of them is read, a page of them is not.
_ABSENT_MAX: Final = 5
_MAKERS: Final = {"conflict": "made the version it met", "replayed": "its answer"}
_CERTAINTIES: Final = {
    Certainty.EXACT: "Exact",
    Certainty.LIKELY: "Likely",
    Certainty.GUESS: "A guess",
}
_DOUBTS: Final = {
    Certainty.LIKELY: "Likely this attempt, not certainly",
    Certainty.GUESS: "A guess: it may be another attempt",
}


def doubt(looked: Looked) -> Words | None:
    """That it may be another attempt than was meant; None where it is this one."""
    if looked.chosen is None or looked.chosen.hit.certainty is Certainty.EXACT:
        return None
    return Words(_DOUBTS[looked.chosen.hit.certainty], "orange")


def badges(row: Row) -> list[Words]:
    """Outcome, severity, and whether anything was stored and may be sent again: each a word."""
    outcome: str = row["outcome"]
    found = [Words(outcome.capitalize(), wording.OUTCOME_COLOURS[outcome])]
    if row["severity"] is not None:
        severity = Severity[row["severity"]]
        found.append(Words(f"Severity {severity.name}", SEVERITY_COLOURS[severity]))
    return [*found, _stored(row), _again(row)]


def _stored(row: Row) -> Words:
    match words.is_stored(row):
        case None:
            return Words("Stored or not: unknown", "red")
        case True if row["outcome"] == "replayed":
            return Words("Stored by the earlier save", "blue")
        case True:
            return Words("Stored", "green")
        case _:
            return Words("Nothing stored", "gray")


def _again(row: Row) -> Words:
    if row["outcome"] in {"committed", "replayed"}:
        return Words("Nothing to send again", "gray")
    if row["outcome"] in {"conflict", "indeterminate"}:
        return Words("Reload before trying again", "orange")
    match words.is_safe_again(row):
        case True:
            return Words("Safe to try again", "green")
        case False:
            return Words("Not again as it was", "orange")
        case _:
            return Words("Safe to try again: unknown", "gray")


def correlation_id(story: Story) -> str:
    """The attempt's correlation id, to be copied."""
    return printable(story.row["correlation_id"])


def code_of(row: Row) -> ErrorCode | None:
    """The code of an attempt; None without one, and of one that this release does not know."""
    name = row["error_code"]
    return None if name is None else ErrorCode(name)


def facts(story: Story) -> pd.DataFrame:
    """All that is known of the attempt."""
    return pd.DataFrame(list(story.facts()), columns=["Fact", "Value"])


def steps(story: Story) -> pd.DataFrame:
    """What happened to it, in its order."""
    return pd.DataFrame(
        [
            (NOT_STORED if at is None else instant(at), what, detail)
            for at, what, detail in story.steps
        ],
        columns=["When", "What", "Detail"],
    )


def neighbours(found: Sequence[Neighbour], story: Story) -> pd.DataFrame:
    """Attempts around it, oldest first; each leads to its own story."""
    return pd.DataFrame(
        {
            OPEN: [_OPEN for _ in found],
            "Started, UTC": [instant(each.started_at)[: -len(" UTC")] for each in found],
            "Where": [_where(each, story) for each in found],
            "Outcome": [each.outcome for each in found],
            "Code": [each.error_code or "" for each in found],
            "Correlation id": [printable(each.correlation_id) for each in found],
            "Operation": [each.operation for each in found],
            "Version": [
                "" if each.actual_version is None else str(each.actual_version) for each in found
            ],
        }
    )


def _where(neighbour: Neighbour, story: Story) -> str:
    """Before or after it, and whether it made the version that it met, or its answer."""
    row = story.row
    where = "before" if neighbour.place < (story.key.started_at, story.key.id) else "after"
    made_what_it_met = (
        neighbour.outcome == "committed"
        and neighbour.quote_id == row["quote_id"]
        and neighbour.actual_version == row["actual_version"] is not None
    )
    if made_what_it_met and row["outcome"] in _MAKERS:
        return f"{where}, {_MAKERS[row['outcome']]}"
    return where


def candidates(looked: Looked) -> pd.DataFrame:
    """The attempts that a text may mean, the surest first."""
    found = looked.candidates
    return pd.DataFrame(
        {
            OPEN: [_OPEN for _ in found],
            "Shown": ["yes" if each is looked.chosen else "" for each in found],
            "How sure": [_CERTAINTIES[each.hit.certainty] for each in found],
            "Started, UTC": [instant(each.row["started_at"])[: -len(" UTC")] for each in found],
            "Outcome": [each.row["outcome"] for each in found],
            "Code": [each.row["error_code"] or "" for each in found],
            "Operation": [each.row["operation"] for each in found],
            "Correlation id": [printable(each.row["correlation_id"]) for each in found],
            # Quotes of several agents may have one number.
            "Agent": [wording.short_id(each.row["agent_id"]) for each in found],
            "Why": [_why(each.hit) for each in found],
        }
    )


def others(hits: Sequence[Hit]) -> pd.DataFrame:
    """What a text may mean besides, of which there is no attempt."""
    found = [each for each in hits if not each.attempts]
    return pd.DataFrame(
        {
            "How sure": [_CERTAINTIES[each.certainty] for each in found],
            "Why": [_why(each) for each in found],
            "Quote": ["" if each.quote_id is None else str(each.quote_id) for each in found],
            "Agent": ["" if each.agent_id is None else str(each.agent_id) for each in found],
        }
    )


def how_found(looked: Looked) -> str:
    """What it was found by, and of how many attempts it is one; `doubt` says how sure that is."""
    chosen, found = looked.chosen, looked.candidates
    if chosen is None:
        return ""
    more = "more than " if looked.is_cut else ""
    of = f" One of {more}{counted(len(found), 'attempt')}." if len(found) > 1 else ""
    why = _why(chosen.hit)
    # Half an id ends in three dots, which end a sentence as well.
    stop = "" if why.endswith("…") else "."
    exact = f"{_CERTAINTIES[Certainty.EXACT]}: " if doubt(looked) is None else ""
    return f"{exact}{why}{stop}{of}"


def _why(hit: Hit) -> str:
    """What it was taken for; how sure that is stands beside it."""
    return printable(f"{hit.matched}, {hit.reason.removeprefix('exact ')}")


def nothing_found(text: str) -> str:
    """What was looked for."""
    if len(text) <= _ECHO_MAX:
        return f"Nothing was found for “{printable(text)}”."
    start = printable(text[:_ECHO_MAX])
    return f"Nothing was found for “{start}…”, {len(text):,} characters."


def left_out(found: Found) -> list[str]:
    """What of a text was not used or not read, and why, where something was found."""
    if not found.hits:
        return []
    said = []
    if found.absent:
        listed = ", ".join(map(printable, found.absent[:_ABSENT_MAX]))
        more = len(found.absent) - _ABSENT_MAX
        others = f" and {more:,} more" if more > 0 else ""
        said.append(f"Not used: {listed}{others}. Nothing in the database has it.")
    if found.unread:
        said.append(
            f"Not read: the last {counted(found.unread, 'character')}. Of a text the first"
            f" {READ_MAX:,} are read, so that any is answered at once."
        )
    return said


def is_astray(looked: Looked, attempt: UUID | None) -> bool:
    """Whether the attempt that was asked for is not the one that is told."""
    told = None if looked.chosen is None else looked.chosen.row["id"]
    return attempt is not None and attempt != told
