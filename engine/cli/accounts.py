"""Accounts by the e-mail address on the command line, and rows that the database refuses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import IntegrityError
from sqlmodel import Session

from engine.access.accounts import find_account
from engine.access.tables import Account
from engine.errors import SetupError


def account_of(session: Session, email: str) -> Account:
    """The account with an address.

    Raises:
        SetupError: there is none.
    """
    account = find_account(session, email)
    if account is None:
        raise SetupError(
            f"there is no account for {email}; make one with: saveguard agent add, or user add"
        )
    return account


@contextmanager
def unless_refused(message: str) -> Iterator[None]:
    """Says what a constraint means that refuses the rows of the block.

    Raises:
        SetupError: one did.
    """
    try:
        yield
    except IntegrityError:
        raise SetupError(message) from None
