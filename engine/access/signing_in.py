"""Signing in, with a password or as whom an identity provider knows; and signing out.

Each writes its audit event, the refused ones too, in the transaction of what it does. Who is told
no is told the same whatever the reason, unless they have shown who they are.

Wrong passwords are counted by account and address: whoever guesses has to wait, and the rightful
owner, who comes from elsewhere, does not.
"""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import text, update
from sqlmodel import Session, col, select

from engine.access.accounts import find_account, find_agent
from engine.access.addresses import network_of
from engine.access.audit import Action, Actor, Subject, event
from engine.access.passwords import hash_password, is_outdated, is_right
from engine.access.roles import Role, role_of
from engine.access.tables import Account, AccountPassword, AuditEvent, SignIn
from engine.access.waiting import try_again
from engine.clock import Clock
from engine.errors import ErrorCode, Refusal
from engine.settings import Settings

# Wrong passwords count for so long.
_COUNTED: Final = timedelta(minutes=15)
# Of one name, from everywhere: more of them come from more addresses than one has.
_LOOKED_AT: Final = 5_000
_TOKEN_BYTES: Final = 32
# What the addresses of accounts end in that are entered from this machine alone.
_LOCAL: Final = "@localhost"
# A provider says to the second when it let somebody in, on a clock of its own.
_CLOCKS_DIFFER: Final = timedelta(seconds=2)

_WRONG: Final = Refusal(ErrorCode.AUTHENTICATION_FAILED, "E-mail address or password is not right.")
_OVER: Final = Refusal(ErrorCode.AUTHENTICATION_FAILED, "This sign-in is over; sign in again.")
_DISABLED: Final = Refusal(
    ErrorCode.AUTHORIZATION_FAILED, "This account is disabled; ask an administrator."
)
_NO_ROLE: Final = Refusal(
    ErrorCode.AUTHORIZATION_FAILED,
    "This account has no role yet; ask an administrator for one.",
)
_TAKEN: Final = Refusal(
    ErrorCode.AUTHORIZATION_FAILED,
    "Another account has this e-mail address; ask an administrator.",
)
_NO_EMAIL: Final = Refusal(
    ErrorCode.AUTHORIZATION_FAILED,
    "Your provider gave no e-mail address; ask an administrator.",
)


class NewSignIn(NamedTuple):
    """Somebody has signed in.

    Attributes:
        account_id: who.
        token: what their browser holds, in clear for the one time; empty when it brought its own.
        expires_at: when it ends by itself.
    """

    account_id: UUID
    token: str
    expires_at: datetime

    def __repr__(self) -> str:
        """Without the token: what is printed ends up in logs."""
        return f"NewSignIn(account_id={self.account_id!r}, expires_at={self.expires_at!r})"


@dataclass(frozen=True, slots=True)
class OutsideIdentity:
    """Somebody as their identity provider knows them.

    Attributes:
        issuer: the provider.
        subject: who, for ever.
        email: None if it does not say.
        is_email_verified: whether it vouches for that.
        name: None if it does not say.
        role: what its claim says; None when roles are not the provider's to say.
        has_roles: whether they are: then a claim without a role takes the account's away.
        token_hash: SHA-256 of what makes this login different from every other.
        issued_at: when it let them in.
    """

    issuer: str
    subject: str
    email: str | None
    is_email_verified: bool
    name: str | None
    role: Role | None
    has_roles: bool
    token_hash: bytes
    issued_at: datetime


def hash_token(token: str) -> bytes:
    """SHA-256 of what a browser holds: with 256 bits of chance in it, nothing slower is needed."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def sign_in_with_password(
    session: Session,
    clock: Clock,
    settings: Settings,
    actor: Actor,
    *,
    email: str,
    password: str,
) -> NewSignIn | Refusal:
    """Signs somebody in who knows their password.

    Args:
        session: committed by the caller, also after a refusal.
        clock: for now and chance.
        settings: how long a sign-in lasts, and how many wrong passwords there may be.
        actor: nobody known yet, with their address and the request's correlation id.
        email: as typed.
        password: as typed.

    Returns:
        The sign-in; AUTHENTICATION_FAILED in the same words and after the same work whatever was
        wrong; RATE_LIMIT_EXCEEDED when there were too many wrong ones from this address.
    """
    account = find_account(session, email)
    subject = _subject(account, email)
    # One at a time for each name and address, or a burst would be let in before it is counted.
    session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"),
        {"key": f"saveguard.sign-in {subject.id} {network_of(actor.address)}"},
    )
    wait_s = _wait_s(session, clock.now(), settings.bad_passwords, subject, actor.address)
    if wait_s > 0:
        refusal = _too_many(wait_s, clock.now())
        session.add(event(clock, actor, Action.SIGNED_IN, subject=subject, refused=refusal.code))
        return refusal
    stored = None if account is None else session.get(AccountPassword, account.id)
    matches = is_right(password, None if stored is None else stored.password_hash)
    if account is None or stored is None or not matches or not _may_enter(session, account):
        session.add(event(clock, actor, Action.SIGNED_IN, subject=subject, refused=_WRONG.code))
        return _WRONG
    if not _is_still(session, account, stored):
        # Somebody has set another one while this was being looked at.
        session.add(event(clock, actor, Action.SIGNED_IN, subject=subject, refused=_WRONG.code))
        return _WRONG
    if is_outdated(stored.password_hash):
        stored.password_hash = hash_password(password)
    token = base64.urlsafe_b64encode(clock.token(_TOKEN_BYTES)).rstrip(b"=").decode()
    return _let_in(session, clock, settings, actor, account, "password", token, hash_token(token))


def sign_in_with_identity(
    session: Session, clock: Clock, settings: Settings, actor: Actor, known: OutsideIdentity
) -> NewSignIn | Refusal:
    """Signs somebody in for whom an identity provider vouches; again and again is once.

    An account is found by issuer and subject; one that has none yet, by the e-mail address if the
    provider vouches for that, too; else it is made.

    Args:
        session: committed by the caller, also after a refusal.
        clock: for now.
        settings: how long a sign-in lasts.
        actor: nobody known yet, with their address and the request's correlation id.
        known: whom the provider let in.
    """
    now = clock.now()
    earlier = session.get(SignIn, known.token_hash)
    if earlier is not None:
        is_over = earlier.ended_at is not None or earlier.expires_at <= now
        return _OVER if is_over else NewSignIn(earlier.account_id, "", earlier.expires_at)
    account = _account_of(session, clock, actor, known)
    if isinstance(account, Refusal):
        session.add(
            event(
                clock,
                actor,
                Action.SIGNED_IN,
                refused=account.code,
                details={"issuer": known.issuer},
            )
        )
        return account
    refusal = _refusal_of(account, known, settings, now)
    if refusal is None:
        _take_role(session, clock, actor, account, known)
        account.name = known.name or account.name
        session.flush()
        refusal = None if _may_enter(session, account) else _NO_ROLE
    if refusal is not None:
        session.add(
            event(
                clock,
                actor,
                Action.SIGNED_IN,
                subject=Subject("account", str(account.id)),
                refused=refusal.code,
            )
        )
        return refusal
    return _let_in(session, clock, settings, actor, account, "oidc", "", known.token_hash)


def end_sign_ins(session: Session, now: datetime, account_id: UUID) -> int:
    """Ends every sign-in of an account, wherever it is; returns how many were live.

    What an identity provider let in before this is let in no more.
    """
    ended = session.execute(
        update(SignIn)
        .where(
            col(SignIn.account_id) == account_id,
            col(SignIn.ended_at).is_(None),
            col(SignIn.expires_at) > now,
        )
        .values(ended_at=now)
        .returning(col(SignIn.token_hash))
    )
    count = len(ended.all())
    session.execute(update(Account).where(col(Account.id) == account_id).values(signed_out_at=now))
    return count


def sign_out(session: Session, clock: Clock, actor: Actor) -> int:
    """Ends every sign-in of whoever asks, everywhere; returns how many there were."""
    if actor.account_id is None:
        return 0
    count = end_sign_ins(session, clock.now(), actor.account_id)
    session.add(
        event(
            clock,
            actor,
            Action.SIGNED_OUT,
            subject=Subject("account", str(actor.account_id)),
            details={"signInsEnded": count},
        )
    )
    return count


def local_account(session: Session, clock: Clock, user: str) -> Account:
    """The account of whoever operates this machine, made as an administrator the first time.

    It has no password and no key, and no provider knows it: it is entered from this machine only.

    Args:
        session: committed by the caller.
        clock: for its id.
        user: name of the machine's user.
    """
    email = f"{user}{_LOCAL}"
    found = find_account(session, email)
    if found is None:
        found = Account(
            id=clock.uuid7(), email=email, name=user, role=Role.ADMIN, created_at=clock.now()
        )
        session.add(found)
        session.flush()
    return found


def _subject(account: Account | None, email: str) -> Subject:
    """Which account was meant; of a name that nobody has only a hash: it may be a password."""
    if account is not None:
        return Subject("account", str(account.id))
    folded = email.strip().casefold().encode("utf-8", "surrogatepass")
    return Subject("unknown name", hashlib.sha256(folded).hexdigest()[:16])


def _wait_s(
    session: Session, now: datetime, most: int, subject: Subject, address: str | None
) -> float:
    """Seconds until another password may be tried; 0 when one may be now.

    Counted by network: whoever has one address of an IPv6 network has all of them.
    """
    happened = col(AuditEvent.happened_at)
    tried = session.exec(
        select(happened, col(AuditEvent.outcome), col(AuditEvent.address))
        .where(
            col(AuditEvent.subject_kind) == subject.kind,
            col(AuditEvent.subject_id) == subject.id,
            happened > now - _COUNTED,
            col(AuditEvent.action) == Action.SIGNED_IN.value,
            col(AuditEvent.error_code).is_distinct_from(ErrorCode.RATE_LIMIT_EXCEEDED.value),
        )
        .order_by(happened.desc())
        .limit(_LOOKED_AT)
    ).all()
    network = network_of(address)
    from_here = [(at, outcome) for at, outcome, where in tried if network_of(where) == network]
    wrong = [at for at, _ in takewhile(lambda each: each[1] != "done", from_here)]
    # The one that makes it too many has to be long enough ago.
    return (wrong[most - 1] + _COUNTED - now).total_seconds() if len(wrong) >= most else 0.0


def _is_still(session: Session, account: Account, verified: AccountPassword) -> bool:
    """Whether an account still has the password that was verified; it keeps it until the end.

    Who sets a password holds the account's row, and so does this from here on.
    """
    password_hash = verified.password_hash
    session.refresh(account, with_for_update=True)
    session.refresh(verified)
    return verified.password_hash == password_hash and account.disabled_at is None


def _too_many(wait_s: float, now: datetime) -> Refusal:
    seconds = max(math.ceil(wait_s), 1)
    return Refusal(
        ErrorCode.RATE_LIMIT_EXCEEDED,
        f"Too many wrong passwords from here. {try_again(now, seconds)}",
        {"retryAfterSeconds": seconds},
    )


def _may_enter(session: Session, account: Account) -> bool:
    """Whether there is anything for an account to see."""
    if account.disabled_at is not None:
        return False
    agent = find_agent(session, account.id)
    return role_of(account.role) is not None or (agent is not None and agent.status == "ACTIVE")


def _let_in(
    session: Session,
    clock: Clock,
    settings: Settings,
    actor: Actor,
    account: Account,
    method: str,
    token: str,
    token_hash: bytes,
) -> NewSignIn:
    now = clock.now()
    expires_at = now + settings.session_lifetime
    session.add(
        SignIn(
            token_hash=token_hash,
            account_id=account.id,
            method=method,
            began_at=now,
            expires_at=expires_at,
            address=actor.address,
        )
    )
    session.add(
        event(
            clock,
            _known(actor, account),
            Action.SIGNED_IN,
            subject=Subject("account", str(account.id)),
            details={"method": method, "role": account.role},
        )
    )
    session.flush()
    return NewSignIn(account.id, token, expires_at)


def _known(actor: Actor, account: Account) -> Actor:
    return Actor(account.id, account.email, actor.way, actor.address, actor.correlation_id)


def _account_of(
    session: Session, clock: Clock, actor: Actor, known: OutsideIdentity
) -> Account | Refusal:
    found = session.exec(
        select(Account).where(
            col(Account.issuer) == known.issuer, col(Account.subject) == known.subject
        )
    ).one_or_none()
    if found is not None:
        return found
    if not known.email:
        return _NO_EMAIL
    namesake = find_account(session, known.email)
    if namesake is not None:
        is_local = namesake.email.endswith(_LOCAL)
        if namesake.subject is not None or not known.is_email_verified or is_local:
            return _TAKEN
        namesake.issuer, namesake.subject = known.issuer, known.subject
        return namesake
    made = Account(
        id=clock.uuid7(),
        email=known.email,
        created_at=clock.now(),
        name=known.name,
        issuer=known.issuer,
        subject=known.subject,
    )
    session.add(made)
    session.flush()
    _note(session, clock, _known(actor, made), Action.ACCOUNT_ADDED, made, {"way": "oidc"})
    return made


def _refusal_of(
    account: Account, known: OutsideIdentity, settings: Settings, now: datetime
) -> Refusal | None:
    if account.disabled_at is not None:
        return _DISABLED
    if known.issued_at + settings.session_lifetime <= now:
        return _OVER
    ended = account.signed_out_at
    return _OVER if ended is not None and known.issued_at + _CLOCKS_DIFFER < ended else None


def _take_role(
    session: Session, clock: Clock, actor: Actor, account: Account, known: OutsideIdentity
) -> None:
    """What the provider says of somebody's role is written to the account, and to the trail."""
    new = None if known.role is None else known.role.value
    if known.has_roles and account.role != new:
        _note(
            session,
            clock,
            _known(actor, account),
            Action.ROLE_CHANGED,
            account,
            {"old": account.role, "new": new, "saidBy": known.issuer},
        )
        account.role = new


def _note(
    session: Session,
    clock: Clock,
    actor: Actor,
    action: Action,
    account: Account,
    details: Mapping[str, Any],
) -> None:
    subject = Subject("account", str(account.id))
    session.add(event(clock, actor, action, subject=subject, details=details))
