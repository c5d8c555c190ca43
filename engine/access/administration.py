"""What administrators do: roles, sign-ins, passwords, limits and keys of others.

Whoever asks is asked for their role again in the same transaction (`permits`). What is done and
what is refused is in the audit trail, with it.

Everybody may see to their own password, sign-ins and keys.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID

from sqlalchemy import or_, text
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, func, select

from engine.access.accounts import find_account
from engine.access.audit import Action, Actor, Subject, Way
from engine.access.canaries import is_canary
from engine.access.keyring import NewKey, Unrotatable, add_key, revoke, rotate
from engine.access.keys import Scope
from engine.access.passwords import hash_password, password_fault
from engine.access.permits import Permit
from engine.access.roles import Permission, Role, may, role_of
from engine.access.signing_in import end_sign_ins
from engine.access.tables import Account, AccountPassword, Agent, ApiKey
from engine.clock import Clock
from engine.errors import ErrorCode, Refusal

_NO_SUCH_ACCOUNT: Final = Refusal(
    ErrorCode.QUOTE_VALIDATION_FAILED, "There is no such account; nothing was changed."
)
_NO_SUCH_AGENT: Final = Refusal(
    ErrorCode.AGENT_NOT_FOUND, "There is no such agent; nothing was changed."
)
_NO_SUCH_KEY: Final = Refusal(
    ErrorCode.QUOTE_VALIDATION_FAILED, "There is no such key; nothing was changed."
)
_TAKEN: Final = Refusal(
    ErrorCode.QUOTE_VALIDATION_FAILED,
    "There is an account with this e-mail address already; nothing was changed.",
)
_LAST_ADMIN: Final = Refusal(
    ErrorCode.AUTHORIZATION_FAILED,
    "This is the last administrator who can sign in; nothing was changed.",
)


_CANARY: Final = Refusal(
    ErrorCode.AUTHORIZATION_FAILED,
    "This is a canary's account, which is nobody's: what it saves is no part of any number;"
    " nothing was changed.",
)


class Limits(NamedTuple):
    """What an agent may do at most.

    Attributes:
        rate_limit_per_minute: requests a minute; None for no limit.
        max_active_quotes: quotes that are neither cancelled nor over.
    """

    rate_limit_per_minute: int | None
    max_active_quotes: int


def one_at_a_time(session: Session) -> None:
    """Waits for every other such action, until the transaction is over.

    They are rare; one after the other, they cannot meet in a deadlock, and two who take each
    other's role away do not both succeed. Comes before any row is held.
    """
    session.execute(text("SELECT pg_advisory_xact_lock(hashtext('saveguard.administration'))"))


def _permit(session: Session, clock: Clock, actor: Actor) -> Permit:
    one_at_a_time(session)
    return Permit(session, clock, actor, Permission.MANAGE_ACCESS)


def add_account(
    session: Session,
    clock: Clock,
    actor: Actor,
    *,
    email: str,
    name: str | None = None,
    role: Role | None = None,
) -> UUID | Refusal:
    """Makes an account; returns its id. It has no key and no password yet."""
    permit = _permit(session, clock, actor)
    refusal = permit.refusal(Action.ACCOUNT_ADDED, None)
    if refusal is not None:
        return refusal
    if find_account(session, email) is not None:
        return permit.refused(Action.ACCOUNT_ADDED, None, _TAKEN)
    account = Account(id=clock.uuid7(), email=email, name=name, role=role, created_at=clock.now())
    try:
        with session.begin_nested():
            session.add(account)
    except IntegrityError:  # somebody was faster
        return permit.refused(Action.ACCOUNT_ADDED, None, _TAKEN)
    permit.done(Action.ACCOUNT_ADDED, _account(account.id), {"role": role})
    return account.id


def set_role(
    session: Session, clock: Clock, actor: Actor, account_id: UUID, role: Role | None
) -> Refusal | None:
    """Gives an account a role, or takes it away; the last administrator keeps theirs."""
    permit, action = _permit(session, clock, actor), Action.ROLE_CHANGED
    account = _changeable(permit, action, account_id, ends_admin=role is not Role.ADMIN)
    if isinstance(account, Refusal):
        return account
    if account.role != role:
        old, account.role = account.role, None if role is None else role.value
        permit.done(action, _account(account_id), {"old": old, "new": account.role})
    return None


def set_disabled(
    session: Session, clock: Clock, actor: Actor, account_id: UUID, *, is_disabled: bool
) -> Refusal | None:
    """Disables an account: its sign-ins end and its keys stop working; or enables it again."""
    action = Action.ACCOUNT_DISABLED if is_disabled else Action.ACCOUNT_ENABLED
    permit = _permit(session, clock, actor)
    account = _changeable(permit, action, account_id, ends_admin=is_disabled)
    if isinstance(account, Refusal):
        return account
    if (account.disabled_at is not None) is not is_disabled:
        account.disabled_at = clock.now() if is_disabled else None
        ended = end_sign_ins(session, clock.now(), account_id) if is_disabled else 0
        details = {"signInsEnded": ended} if is_disabled else None
        permit.done(action, _account(account_id), details)
    return None


def end_all_sign_ins(
    session: Session, clock: Clock, actor: Actor, account_id: UUID
) -> int | Refusal:
    """Signs an account out everywhere; returns how many sign-ins there were."""
    permit, subject = _permit(session, clock, actor), _account(account_id)
    refusal = permit.refusal(Action.SIGN_INS_ENDED, subject, own=account_id)
    if refusal is not None:
        return refusal
    if _locked(session, account_id) is None:
        return permit.refused(Action.SIGN_INS_ENDED, subject, _NO_SUCH_ACCOUNT)
    ended = end_sign_ins(session, clock.now(), account_id)
    permit.done(Action.SIGN_INS_ENDED, subject, {"signInsEnded": ended})
    return ended


def set_password(
    session: Session, clock: Clock, actor: Actor, account_id: UUID, password: str
) -> Refusal | None:
    """Sets an account's password; everything that was signed in with it ends.

    Returns:
        QUOTE_VALIDATION_FAILED when it is not fit to be one.
    """
    permit, subject = _permit(session, clock, actor), _account(account_id)
    account = permit.refusal(Action.PASSWORD_SET, subject, own=account_id) or _locked(
        session, account_id
    )
    if not isinstance(account, Account):
        return account or permit.refused(Action.PASSWORD_SET, subject, _NO_SUCH_ACCOUNT)
    fault = password_fault(password, account.email)
    why = _not_a_canary(account_id) or (
        None if fault is None else Refusal(ErrorCode.QUOTE_VALIDATION_FAILED, fault)
    )
    if why is not None:
        return permit.refused(Action.PASSWORD_SET, subject, why)
    stored = session.get(AccountPassword, account_id) or AccountPassword(
        account_id=account_id, password_hash="", changed_at=clock.now()
    )
    stored.password_hash, stored.changed_at = hash_password(password), clock.now()
    session.add(stored)
    ended = end_sign_ins(session, clock.now(), account_id)
    permit.done(Action.PASSWORD_SET, subject, {"signInsEnded": ended})
    return None


def set_limits(
    session: Session, clock: Clock, actor: Actor, agent_id: UUID, limits: Limits
) -> Refusal | None:
    """Sets how fast an agent may send, and how many active quotes it may have.

    Returns:
        QUOTE_VALIDATION_FAILED for a number that is none.
    """
    permit, subject = _permit(session, clock, actor), Subject("agent", str(agent_id))
    refusal = permit.refusal(Action.LIMIT_CHANGED, subject)
    if refusal is not None:
        return refusal
    agent = session.exec(
        select(Agent).where(col(Agent.id) == agent_id).with_for_update()
    ).one_or_none()
    if agent is None:
        return permit.refused(Action.LIMIT_CHANGED, subject, _NO_SUCH_AGENT)
    fault = _limits_fault(limits)
    if fault is not None:
        unfit = Refusal(ErrorCode.QUOTE_VALIDATION_FAILED, fault)
        return permit.refused(Action.LIMIT_CHANGED, subject, unfit)
    old = Limits(agent.rate_limit_per_minute, agent.max_active_quotes)
    if old != limits:
        agent.rate_limit_per_minute, agent.max_active_quotes = limits
        permit.done(Action.LIMIT_CHANGED, subject, {"old": old._asdict(), "new": limits._asdict()})
    return None


def issue_key(
    session: Session,
    clock: Clock,
    actor: Actor,
    account_id: UUID,
    *,
    name: str | None,
    scope: Scope,
    expires_at: datetime | None,
) -> NewKey | Refusal:
    """Makes one more key for an account, in clear for the one time."""
    permit, subject = _permit(session, clock, actor), _account(account_id)
    refusal = permit.refusal(Action.KEY_ADDED, subject)
    if refusal is not None:
        return refusal
    why = _not_a_canary(account_id)
    if why is None and _locked(session, account_id) is None:
        why = _NO_SUCH_ACCOUNT
    if why is not None:
        return permit.refused(Action.KEY_ADDED, subject, why)
    made = add_key(session, clock, account_id, name=name, scope=scope, expires_at=expires_at)
    permit.done(
        Action.KEY_ADDED,
        Subject("api_key", str(made.key_id)),
        {
            "accountId": str(account_id),
            "scope": scope.value,
            "expiresAt": None if expires_at is None else expires_at.isoformat(),
        },
    )
    return made


def rotate_key(
    session: Session, clock: Clock, actor: Actor, key_id: UUID, overlap: timedelta
) -> NewKey | Refusal:
    """Makes a key that takes another's place; that one ends after the overlap.

    Whoever may not manage access gets no more time than the old one had: else a key that was given
    for a while would last for as long as its holder likes.
    """
    permit, subject = _permit(session, clock, actor), Subject("api_key", str(key_id))
    key = _locked_key(session, key_id)
    refusal = permit.refusal(
        Action.KEY_ROTATED, subject, own=None if key is None else key.account_id
    )
    if refusal is not None:
        return refusal
    why = _NO_SUCH_KEY if key is None else _not_a_canary(key.account_id)
    if key is None or why is not None:
        return permit.refused(Action.KEY_ROTATED, subject, why or _NO_SUCH_KEY)
    ends_at = key.expires_at
    made = rotate(session, clock, key, overlap)
    if isinstance(made, Unrotatable):
        why = Refusal(
            ErrorCode.QUOTE_VALIDATION_FAILED, f"This key {made.value}; nothing was changed."
        )
        return permit.refused(Action.KEY_ROTATED, subject, why)
    if ends_at is not None and not _manages_access(permit):
        session.get_one(ApiKey, made.key_id).expires_at = ends_at
        made = made._replace(expires_at=ends_at)
    permit.done(
        Action.KEY_ROTATED,
        subject,
        {"newKeyId": str(made.key_id), "overlapSeconds": int(overlap.total_seconds())},
    )
    return made


def revoke_key(session: Session, clock: Clock, actor: Actor, key_id: UUID) -> Refusal | None:
    """Revokes a key at once; one that is revoked already stays so."""
    permit, subject = _permit(session, clock, actor), Subject("api_key", str(key_id))
    key = _locked_key(session, key_id)
    refusal = permit.refusal(
        Action.KEY_REVOKED, subject, own=None if key is None else key.account_id
    )
    if refusal is not None:
        return refusal
    if key is None:
        return permit.refused(Action.KEY_REVOKED, subject, _NO_SUCH_KEY)
    if revoke(session, clock.now(), [key]):
        permit.done(Action.KEY_REVOKED, subject)
    return None


def _changeable(
    permit: Permit, action: Action, account_id: UUID, *, ends_admin: bool
) -> Account | Refusal:
    """An account of somebody else's, held; or why it may not be changed, written down.

    Args:
        permit: of whoever asks, who was not asked for their role yet.
        action: what they want to do.
        account_id: whose it is.
        ends_admin: whether who administers could not do so afterwards.
    """
    subject = _account(account_id)
    account = permit.refusal(action, subject) or _locked(permit.session, account_id)
    if not isinstance(account, Account):
        return account or permit.refused(action, subject, _NO_SUCH_ACCOUNT)
    why = _not_a_canary(account_id)
    if why is None and ends_admin and _is_last_admin(permit.session, permit.actor, account):
        why = _LAST_ADMIN
    return account if why is None else permit.refused(action, subject, why)


def _manages_access(permit: Permit) -> bool:
    """Whether a permitted actor may do it to everybody, not only to what is their own."""
    return permit.actor.way is Way.TERMINAL or (
        permit.account is not None and may(role_of(permit.account.role), Permission.MANAGE_ACCESS)
    )


def _not_a_canary(account_id: UUID | None) -> Refusal | None:
    """Why an account is nobody's to change: somebody who called as a canary would save unseen."""
    return _CANARY if account_id is not None and is_canary(account_id) else None


def _account(account_id: UUID) -> Subject:
    return Subject("account", str(account_id))


def _locked(session: Session, account_id: UUID) -> Account | None:
    return session.exec(
        select(Account).where(col(Account.id) == account_id).with_for_update()
    ).one_or_none()


def _locked_key(session: Session, key_id: UUID) -> ApiKey | None:
    return session.exec(
        select(ApiKey).where(col(ApiKey.id) == key_id).with_for_update()
    ).one_or_none()


def _is_last_admin(session: Session, actor: Actor, account: Account) -> bool:
    """Whether nobody could undo it; at the terminal everybody can."""
    is_admin = account.role == Role.ADMIN and account.disabled_at is None
    if not is_admin or actor.way is Way.TERMINAL:
        return False
    has_password = select(col(AccountPassword.account_id)).where(
        col(AccountPassword.account_id) == col(Account.id)
    )
    others: int = session.exec(
        select(func.count())
        .select_from(Account)
        .where(
            col(Account.role) == Role.ADMIN.value,
            col(Account.disabled_at).is_(None),
            col(Account.id) != account.id,
            # Whoever cannot sign in can mend nothing.
            or_(has_password.exists(), col(Account.subject).is_not(None)),
        )
    ).one()
    return others == 0


def _limits_fault(limits: Limits) -> str | None:
    most = 2**31 - 1  # of PostgreSQL's integer
    rate, quota = limits
    if rate is not None and not 1 <= rate <= most:
        return "A rate limit is a whole number of requests a minute, at least 1, or none."
    return None if 0 <= quota <= most else "A quota is a whole number of quotes, at least 0."
