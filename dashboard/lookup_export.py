"""The story of an attempt as a file for an incident ticket: JSON, and Markdown.

Ids, codes, instants and numbers, and nothing of a person: no name, no e-mail, no payload. The
idempotency key stays out, too, because callers make it of what they like.
Pure functions.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from engine.attempts.story import Neighbour, Story
from engine.attempts.words import NOT_STORED, instant, printable

# What Markdown could take for an instruction in the middle of a line, GitHub's links to whatever
# looks like an address among it. Less than all punctuation: ids stay fit to be copied.
_INSTRUCTIONS: Final = re.compile(
    r"""[\\`*\[\]<>|~$&@#!{}]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|:(?=//)|(?<=www)\.""",
    re.IGNORECASE,
)
_LEFT_OUT: Final = frozenset({"idempotency_key", "payload_hash"})
# The same in the words of the facts.
_FACTS_LEFT_OUT: Final = frozenset({"idempotency key", "payload hash"})


def as_json(story: Story, link: str) -> str:
    """The story for programs.

    Args:
        story: to be told.
        link: to the page that tells it.
    """
    attempt = {name: value for name, value in story.row.items() if name not in _LEFT_OUT}
    told = {
        "sentence": story.sentence,
        "link": link,
        "attempt": attempt | {"has_idempotency_key": story.row["idempotency_key"] is not None},
        "quote": None if story.quote is None else story.quote._asdict(),
        "steps": [each._asdict() for each in story.steps],
        "on_the_same_quote": [_neighbour(each) for each in story.on_quote],
        "with_the_same_idempotency_key": [_neighbour(each) for each in story.on_key],
        "by_the_same_agent": [_neighbour(each) for each in story.by_agent],
    }
    return json.dumps(told, indent=2, default=_plain) + "\n"


def as_markdown(story: Story, link: str) -> str:
    """The story for people; Markdown in stored text stays text.

    Args:
        story: to be told.
        link: to the page that tells it.
    """
    return "\n".join(_markdown(story, link)) + "\n"


def file_name(story: Story, ending: str) -> str:
    """A name that sorts by time and holds nothing that a caller sent."""
    started_at = story.row["started_at"].astimezone(UTC)
    return f"attempt-{started_at:%Y%m%dT%H%M%SZ}-{story.row['id']}.{ending}"


def _markdown(story: Story, link: str) -> Iterator[str]:
    yield f"## Attempt {_inline(story.row['correlation_id'])}"
    yield ""
    yield _inline(story.sentence)
    yield ""
    yield f"Story: {_inline(link)}" if link.startswith("/") else f"Story: <{link}>"
    yield ""
    facts = [(label, text) for label, text in story.facts() if label not in _FACTS_LEFT_OUT]
    yield from _table(("Fact", "Value"), facts)
    yield from _table(
        ("When", "What", "Detail"),
        [
            (NOT_STORED if at is None else instant(at), what, detail)
            for at, what, detail in story.steps
        ],
    )
    for title, found in (
        ("On the same quote", story.on_quote),
        ("With the same idempotency key", story.on_key),
        ("By the same agent", story.by_agent),
    ):
        if found:
            yield f"### {title}"
            yield ""
            yield from _table(
                ("Started", "Outcome", "Code", "Operation", "Correlation id", "Attempt"),
                [
                    (
                        instant(each.started_at),
                        each.outcome,
                        each.error_code or "",
                        each.operation,
                        each.correlation_id,
                        str(each.id),
                    )
                    for each in found
                ],
            )


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(heads)} |"
    yield f"|{'---|' * len(heads)}"
    for row in rows:
        yield f"| {' | '.join(_inline(cell) for cell in row)} |"
    yield ""


def _neighbour(found: Neighbour) -> dict[str, Any]:
    return {name: value for name, value in found._asdict().items() if name not in _LEFT_OUT}


def _plain(value: object) -> str:
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else str(value)


def _inline(text: str) -> str:
    """A text in the middle of a line of Markdown that says just that."""
    return _INSTRUCTIONS.sub(r"\\\g<0>", printable(text))
