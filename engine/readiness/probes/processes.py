"""The processes: of which release they are, and whether they came up without a word of trouble."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from engine.database.sessions import session_of
from engine.log_files import Listed, is_in_use
from engine.log_search import began_at
from engine.readiness.fingerprints import schema_lines
from engine.readiness.probes.asking import SHOWN, rows
from engine.readiness.probes.expected import expected_schema
from engine.readiness.probes.logs import errors_of, files_of_processes, said_since, why_unread
from engine.readiness.probes.probe import (
    Found,
    Question,
    failing,
    insufficient,
    passing,
    unknown,
)
from engine.readiness.probes.spans import not_yet, of_phase
from engine.readiness.running_code import names_of

_LATELY: Final = timedelta(minutes=5)
_ORIGINS: Final = """
    -- Whose requests and attempts there were lately, and whose lines.
    SELECT o.environment, o.release, o.instance
    FROM origin AS o
    WHERE o.id IN (
        SELECT origin_id FROM edge_count WHERE bucket >= %(since)s
        UNION
        SELECT origin_id FROM line_count WHERE bucket >= %(since)s
        UNION
        SELECT origin_id FROM attempt WHERE started_at >= %(since)s
    )
    ORDER BY o.instance, o.release
"""


class Process(NamedTuple):
    """A process that had something to do lately."""

    environment: str
    release: str
    instance: str


def version(question: Question) -> Found:
    """`deploy.version`: every process that had something to do lately is of this release."""
    release, early = question.release, not_yet(question)
    if early is not None:
        return early
    since = question.runtime.clock.now() - _LATELY
    seen = [Process(*row) for row in rows(question, _ORIGINS, {"since": since})]
    with session_of(question.runtime.target) as session:
        is_schema = schema_lines(session) == list(expected_schema())
    return judged(seen, release.name, release.commit, release.environment, is_schema=is_schema)


def judged(
    seen: Sequence[Process], name: str, commit: str, environment: str, *, is_schema: bool
) -> Found:
    """What processes say of themselves, held against a release.

    Args:
        seen: that had something to do lately.
        name: of the release.
        commit: of its source.
        environment: that it is in.
        is_schema: whether the database is what this release's migrations make.
    """
    ours = names_of(name, commit)
    others = [each for each in seen if each.release not in ours or each.environment != environment]
    numbers: dict[str, Any] = {
        "processes": [f"{each.instance} {each.environment} {each.release}" for each in seen[:50]],
        "count": len(seen),
        "others": len(others),
        "isSchemaOfRelease": is_schema,
        "artefact": None,
    }
    if not is_schema:
        return failing("The schema is not that of this release", _ORIGINS, **numbers)
    if others:
        first = others[0]
        reason = (
            f"{len(others)} of {len(seen)} processes are not {name} of {environment}:"
            f" {first.instance} is {first.release} of {first.environment}"
        )
        return failing(reason, _ORIGINS, **numbers)
    if not seen:
        return insufficient("No process had anything to do in 5 minutes", _ORIGINS, **numbers)
    return passing(
        f"All {len(seen)} processes that had something to do in 5 minutes are {name}; of idle ones,"
        " and of the artefacts' digests, nothing is known",
        _ORIGINS,
        **numbers,
    )


def boot(question: Question) -> Found:
    """`boot.clean`: since the deployment no process of this host had an error, and none ended."""
    span = of_phase(question)
    if isinstance(span, Found):
        return span
    files = [
        each for each in files_of_processes(question) if each.written_at >= span.start.timestamp()
    ]
    said = said_since(question, span.start)
    errors = errors_of(said, span.end)
    ended = _ended(files, span.start)
    numbers: dict[str, Any] = {
        **span.numbers,
        "logFiles": len(files),
        "lines": len(said.lines),
        "isCut": said.is_cut,
        "errors": len(errors),
        "events": sorted({str(each.fields.get("event")) for each in errors})[:SHOWN],
        "ended": len(ended),
    }
    witness = "logs/process.*.jsonl of this host"
    if errors:
        reason = f"{len(errors)} errors, the first {errors[0].fields.get('event')}"
        return failing(f"{reason}{span.so_far}", witness, **numbers)
    if ended:
        reason = f"{len(ended)} processes that began since the deployment have ended again"
        return failing(reason, witness, **numbers)
    unread = why_unread(question, said)
    if unread is not None:
        return unknown(unread, witness, **numbers)
    if not files:
        return insufficient(
            f"No process of this host has written a log{span.so_far}", witness, **numbers
        )
    return passing(
        f"0 errors in {len(files)} log files of this host, 0 processes ended{span.so_far}",
        witness,
        **numbers,
    )


def _ended(files: Sequence[Listed], start: datetime) -> set[str]:
    """Processes whose first word came after an instant, and that live no more."""
    # Of the files of one that lives the last one alone is in use.
    living = {each.writer for each in files if is_in_use(each.path)}
    return {each.writer for each in files if began_at(each.path) >= start} - living
