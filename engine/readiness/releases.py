"""Releases: made with a run of the checklist of their own, and deployed at an instant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib import resources
from typing import Final, NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlmodel import Session

from engine.access.accounts import find_account
from engine.access.audit import Action, Actor, Subject
from engine.access.permits import Permit
from engine.access.roles import Permission
from engine.clock import Clock
from engine.errors import ErrorCode, Refusal
from engine.readiness.checklist import (
    Checklist,
    ChecklistError,
    read_checklist,
    refuse_what_is_overlooked,
)
from engine.readiness.items import attested_items, read_items
from engine.readiness.records import (
    RecordKind,
    body_of,
    put_down,
    read_instant,
    records_of,
    records_of_kind,
    written_instant,
)

_NO_SUCH_RELEASE: Final = Refusal(
    ErrorCode.QUOTE_VALIDATION_FAILED, "There is no such release; nothing was put down."
)
_EARLIER: Final = Refusal(
    ErrorCode.QUOTE_VALIDATION_FAILED, "A release is deployed after it was made here, not before."
)
_NAME_MAX: Final = 100
# Bytes. Ours has ten thousand; it is read whole at every look.
CHECKLIST_MAX: Final = 256 * 1024
# More nobody could sign, and a page could not show.
_BOXES_MAX: Final = 1_000
_PHASES_MAX: Final = 100


@dataclass(frozen=True, slots=True)
class Plan:
    """What a release is to be.

    Attributes:
        name: what people call it, one of a kind in its environment.
        commit: of the source.
        environment: where it is going.
        planned_from: the earliest instant of its deployment; None if not planned.
        planned_until: the latest.
        author: who made it, by the e-mail address of their account; whoever asks unless it is
            given. They do not sign.
        checklist: the Markdown file, as it is; None for ours.
    """

    name: str
    commit: str
    environment: str
    planned_from: datetime | None = None
    planned_until: datetime | None = None
    author: str = ""
    checklist: bytes | None = None


@cache
def own_checklist() -> str:
    """Our checklist, as Markdown."""
    return (resources.files("engine.readiness") / "checklist.md").read_text("utf-8")


@cache
def own_items() -> str:
    """How the boxes of our checklist are decided, as TOML."""
    return (resources.files("engine.readiness") / "items.toml").read_text("utf-8")


def make_release(session: Session, clock: Clock, actor: Actor, plan: Plan) -> UUID | Refusal:
    """Makes a release, with the checklist as it is now.

    Returns:
        Its id; AUTHORIZATION_FAILED for who may not sign off; QUOTE_VALIDATION_FAILED for what
        cannot be one.
    """
    permit = Permit(session, clock, actor, Permission.SIGN_OFF)
    refusal = permit.refusal(Action.RELEASE_MADE, None)
    if refusal is not None:
        return refusal
    # Two of one name would be taken for one.
    session.execute(text("SELECT pg_advisory_xact_lock(hashtext('saveguard.readiness.release'))"))
    checklist, fault = _checklist(plan.checklist)
    fault = _fault(session, plan) or fault
    if fault:
        unfit = Refusal(ErrorCode.QUOTE_VALIDATION_FAILED, fault)
        return permit.refused(Action.RELEASE_MADE, None, unfit)
    author = _author(session, actor, plan)
    if author is None:
        # Whoever is not known cannot be kept from signing.
        unfit = Refusal(ErrorCode.QUOTE_VALIDATION_FAILED, "No account has this address.")
        return permit.refused(Action.RELEASE_MADE, None, unfit)
    release_id = clock.uuid7()
    put_down(
        session,
        clock,
        actor,
        RecordKind.RELEASE,
        release_id,
        {
            "name": plan.name,
            "commit": plan.commit,
            "environment": plan.environment,
            "plannedFrom": _written(plan.planned_from),
            "plannedUntil": _written(plan.planned_until),
            "author": author.name,
            "authorId": None if author.account_id is None else str(author.account_id),
            "checklist": checklist,
            "items": own_items() if plan.checklist is None else None,
        },
    )
    permit.done(Action.RELEASE_MADE, Subject("release", str(release_id)), {"name": plan.name})
    return release_id


def put_down_deployment(
    session: Session, clock: Clock, actor: Actor, release_id: UUID, deployed_at: datetime
) -> Refusal | None:
    """Puts down when a release was deployed; the windows of its phases run from there.

    Said again, the last word counts.
    """
    permit = Permit(session, clock, actor, Permission.SIGN_OFF)
    subject = Subject("release", str(release_id))
    refusal = permit.refusal(Action.RELEASE_DEPLOYED, subject)
    if refusal is not None:
        return refusal
    made = [each for each in records_of(session, release_id) if each.kind == RecordKind.RELEASE]
    if not made:
        return permit.refused(Action.RELEASE_DEPLOYED, subject, _NO_SUCH_RELEASE)
    if deployed_at < made[0].recorded_at:
        # Else its windows might be over before anybody could look.
        return permit.refused(Action.RELEASE_DEPLOYED, subject, _EARLIER)
    if deployed_at > clock.now():
        later = Refusal(
            ErrorCode.QUOTE_VALIDATION_FAILED, "A deployment is put down once it has happened."
        )
        return permit.refused(Action.RELEASE_DEPLOYED, subject, later)
    put_down(
        session,
        clock,
        actor,
        RecordKind.DEPLOYMENT,
        release_id,
        {"deployedAt": written_instant(deployed_at)},
    )
    permit.done(Action.RELEASE_DEPLOYED, subject, {"deployedAt": written_instant(deployed_at)})
    return None


def releases_named(session: Session, name: str) -> dict[str, UUID]:
    """The releases with a name, by environment: in each there is one of a name."""
    bodies = {
        each.release_id: body_of(each) for each in records_of_kind(session, RecordKind.RELEASE)
    }
    return {
        body["environment"]: release_id
        for release_id, body in bodies.items()
        if body["name"] == name
    }


def deployed_release(session: Session, environment: str) -> UUID | None:
    """The release that an environment runs: the one that was deployed last."""
    deployed: dict[UUID, datetime] = {
        each.release_id: read_instant(body_of(each)["deployedAt"])
        for each in records_of_kind(session, RecordKind.DEPLOYMENT)
    }
    ours = [each for each in _made_for(session, environment) if each in deployed]
    return max(ours, key=lambda each: deployed[each], default=None)


def current_releases(session: Session, environment: str) -> Sequence[UUID]:
    """What an environment runs, and the releases that are on their way.

    One that was never deployed may still be, also where one that was made later has overtaken it.
    """
    made = _made_for(session, environment)
    running = deployed_release(session, environment)
    if running is None:
        return made
    deployed = {each.release_id for each in records_of_kind(session, RecordKind.DEPLOYMENT)}
    since = made[made.index(running) :]
    return [each for each in made if each in since or each not in deployed]


def _made_for(session: Session, environment: str) -> list[UUID]:
    """The releases of an environment, in the order in which they were made."""
    return [
        each.release_id
        for each in records_of_kind(session, RecordKind.RELEASE)
        if body_of(each)["environment"] == environment
    ]


class _Author(NamedTuple):
    name: str
    account_id: UUID | None


def _author(session: Session, actor: Actor, plan: Plan) -> _Author | None:
    """Who made it: an account, or whoever asks; None when no account has the address."""
    if not plan.author:
        return _Author(actor.name, actor.account_id)
    account = find_account(session, plan.author)
    return None if account is None else _Author(account.email, account.id)


def _fault(session: Session, plan: Plan) -> str | None:
    for what, value in (
        ("name", plan.name),
        ("commit", plan.commit),
        ("environment", plan.environment),
    ):
        if not value.strip() or len(value) > _NAME_MAX or not value.isprintable():
            return f"A release needs a {what} of 1 to {_NAME_MAX} printable characters."
    if (plan.planned_from is None) != (plan.planned_until is None):
        return "A planned time has a beginning and an end."
    if (
        plan.planned_from is not None
        and plan.planned_until is not None
        and plan.planned_until <= plan.planned_from
    ):
        return "A planned time ends after it begins."
    if plan.environment in releases_named(session, plan.name):
        return "There is a release of this name in this environment already."
    return None


def _checklist(file: bytes | None) -> tuple[str, str]:
    """The Markdown that a release is made with, and why it cannot be; empty when it can."""
    try:
        if file is None:
            markdown = own_checklist()
            read_items(own_items(), read_checklist(markdown))
        else:
            markdown = _markdown(file)
            refuse_what_is_overlooked(markdown)
            attested_items(_bounded(read_checklist(markdown)))
    except ChecklistError as error:
        return "", f"The checklist cannot be read: {error}."
    return markdown, ""


def _markdown(file: bytes) -> str:
    if not file:
        raise ChecklistError("the file is empty, or has not come")
    if len(file) > CHECKLIST_MAX:
        raise ChecklistError(f"it has {len(file):,} bytes, and may have {CHECKLIST_MAX:,}")
    try:
        return file.decode("utf-8")
    except UnicodeDecodeError as error:
        line = file[: error.start].count(b"\n") + 1
        raise ChecklistError(f"line {line}: it is no text in UTF-8") from None


def _bounded(checklist: Checklist) -> Checklist:
    boxes, phases = sum(1 for _ in checklist.boxes), len(checklist.phases)
    if boxes > _BOXES_MAX or phases > _PHASES_MAX:
        raise ChecklistError(
            f"it has {boxes:,} boxes in {phases:,} phases, and may have {_BOXES_MAX:,} in"
            f" {_PHASES_MAX}"
        )
    return checklist


def _written(instant: datetime | None) -> str | None:
    return None if instant is None else written_instant(instant)
