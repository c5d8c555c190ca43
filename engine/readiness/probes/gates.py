"""Gates: what a machine sees before people vouch for a box, and the digest of what it saw.

A word is for that digest: when another look sees something else, people are asked anew.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any, Final

from engine.access.accounts import find_account
from engine.access.roles import Permission, may, role_of
from engine.database.sessions import session_of
from engine.errors import TAXONOMY
from engine.readiness.contacts import Roster, roster_of
from engine.readiness.documents import RUNBOOKS, Documents, read_documents
from engine.readiness.knowledge import SEEN
from engine.readiness.probes.asking import SHOWN
from engine.readiness.probes.probe import Found, Question, decided, failing, passing, unknown
from engine.settings import Settings, environment_name
from engine.slo.objectives import OBJECTIVES

_ERRORS: Final = f"{RUNBOOKS}errors.md"
_PARTS: Final = ("Symptom", "Cause", "Action", "Verify")
_INCIDENTS: Final = f"{RUNBOOKS}incidents.md"
_OF_INCIDENTS: Final = ("Severity", "Roles", "Communication", "Timeline", "Review")
_SETTINGS_PAGE, _CODES_PAGE, _OBJECTIVES_PAGE = (
    f"docs/reference/{name}.md" for name in ("settings", "errors", "objectives")
)
_NOT_HERE: Final = "The documentation is not installed where this looks"


def documents(_question: Question) -> Found:
    """`docs.gate`: every link leads somewhere; each setting, code and objective is documented."""
    pages = read_documents()
    if pages is None:
        return unknown(_NOT_HERE)
    faults = [*pages.broken_links(), *_undocumented(pages)]
    numbers = {"pages": len(pages.pages), "faults": faults[:SHOWN], SEEN: pages.digest()}
    return decided(
        not faults,
        f"{len(pages.pages)} pages: links lead somewhere; all settings, codes and objectives are"
        " documented (commands and tables are for whoever reads)",
        f"{len(faults)} faults in the documentation, {(faults or [''])[0]} among them",
        "README.md, CONTRIBUTING.md, docs/**/*.md",
        **numbers,
    )


def _undocumented(pages: Documents) -> Iterable[str]:
    wanted = (
        (_SETTINGS_PAGE, [f"`{environment_name(each)}`" for each in Settings.model_fields]),
        (_CODES_PAGE, [f"`{each}`" for each in TAXONOMY]),
        (_OBJECTIVES_PAGE, [each.title for each in OBJECTIVES.values()]),
    )
    for page, names in wanted:
        text = pages.pages.get(page, "")
        yield from (f"{page} has no {name}" for name in names if name not in text)


def runbook(_question: Question) -> Found:
    """`docs.runbook`: every code has a section with symptom, cause, action and verify."""
    pages = read_documents()
    if pages is None:
        return unknown(_NOT_HERE)
    faults = [
        f"{code} has no {part}"
        for code in TAXONOMY
        for part in _PARTS
        if f"**{part}**: " not in (pages.section(_ERRORS, code.value) or "")
    ]
    return decided(
        not faults,
        f"All {len(TAXONOMY)} codes have a section with {', '.join(_PARTS).lower()}; those of"
        " alert rules are for rules.lint to look at",
        f"{len(faults)} parts are missing, the first: {(faults or [''])[0]}",
        _ERRORS,
        codes=len(TAXONOMY),
        faults=faults[:SHOWN],
        **{SEEN: pages.digest(RUNBOOKS)},
    )


def incidents(question: Question) -> Found:
    """`docs.sign`: the incident plan has its sections, and its contacts are somebody."""
    pages = read_documents()
    if pages is None:
        return unknown(_NOT_HERE)
    missing = [each for each in _OF_INCIDENTS if not pages.section(_INCIDENTS, each)]
    if missing:
        return failing(f"{_INCIDENTS} has no section {missing[0]}", _INCIDENTS, missing=missing)
    roster = _roster(question)
    return _not_reached(roster) or passing(
        f"{_INCIDENTS} has its {len(_OF_INCIDENTS)} sections, and no contact is a placeholder",
        f"{_INCIDENTS}; saveguard readiness contacts list",
        **{SEEN: _digest([pages.digest(RUNBOOKS), roster.digest])},
    )


def window(question: Question) -> Found:
    """`window.record`: a window is planned, it is to come, and the deployment falls within it."""
    release, now = question.release, question.runtime.clock.now()
    start, end, deployed_at = release.planned_from, release.planned_until, release.deployed_at
    witness = "saveguard readiness release add --from --until; saveguard readiness deploy"
    if start is None or end is None:
        return failing("No window is planned: the release was made without one", witness)
    told = f"{start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC"
    numbers = {"window": told, SEEN: _digest([str(start), str(end)])}
    if deployed_at is not None:
        return decided(
            start <= deployed_at <= end,
            f"Deployed within the window, {told}",
            f"Deployed at {deployed_at:%Y-%m-%d %H:%M} UTC, outside of the window, {told}",
            witness,
            **numbers,
        )
    return decided(
        now < start,
        f"Planned for {told}, which is to come; whether changes are frozen then is not known here",
        f"The window, {told}, has begun or is over, and nothing was deployed",
        witness,
        **numbers,
    )


def team(question: Question) -> Found:
    """`train.quiz`: each who is on call has an account to vouch for themselves with."""
    roster = _roster(question)
    red = _not_reached(roster)
    if red is not None:
        return red
    with session_of(question.runtime.target) as session:
        accounts = [find_account(session, email) for email in sorted(roster.on_call)]
        able = [
            each.id
            for each in accounts
            if each is not None
            and each.disabled_at is None
            and may(role_of(each.role), Permission.READ_LEDGER)
        ]
    return decided(
        len(able) == len(accounts),
        f"All {len(accounts)} who are on call can vouch for themselves, and for nobody else; there"
        " is no quiz yet",
        f"{len(accounts) - len(able)} of {len(accounts)} who are on call have no account of role"
        " on-call or more, by the address of their contact",
        "saveguard readiness contacts list; saveguard user list",
        onCall=len(accounts),
        able=len(able),
        **{SEEN: _digest(f"{code} {meaning}" for code, meaning in TAXONOMY.items())},
    )


def _roster(question: Question) -> Roster:
    with session_of(question.runtime.target) as session:
        return roster_of(session, question.release.environment)


def _not_reached(roster: Roster) -> Found | None:
    """Why nobody is called by these contacts; None when somebody is."""
    witness = "saveguard readiness contacts list"
    if roster.changed_at is None:
        return unknown("Nobody has put contacts down", witness)
    red = [each for each in roster.judged() if not each.is_good]
    if not red:
        return None
    # Which, and no name or number: a reason goes into exports.
    first = red[0].contact
    return failing(
        f"{len(red)} contacts are red, {first.part}, {first.role} among them",
        witness,
        red=len(red),
    )


def _digest(parts: Iterable[Any]) -> str:
    return hashlib.sha256("\x1f".join(map(str, parts)).encode()).hexdigest()
