"""Whether a dashboard may be started as it is set up, and what its operator should be told."""

from __future__ import annotations

from typing import Final

from sqlmodel import col, exists, or_, select

from dashboard.public_address import is_behind_tls
from engine.access.tables import Account, AccountPassword, Agent
from engine.api.hosts import allowed_hosts, is_loopback
from engine.database.sessions import session_of
from engine.errors import SetupError
from engine.runtime import Runtime
from engine.settings import Settings, environment_name

_PAGE: Final = "docs/how-to/sign-in.md"
_OF_PROVIDER: Final = ("oidc_metadata_url", "oidc_client_id", "oidc_client_secret")

_NO_ACCOUNT: Final = (
    "Nobody can sign in yet. Make an account and give it a password:\n"
    "    saveguard user add --email YOU@EXAMPLE.ORG --role admin\n"
    "    saveguard user password --email YOU@EXAMPLE.ORG"
)
_IN_CLEAR: Final = (
    "Passwords and sign-ins cross the network in clear: put TLS in front, and say so with"
    f" SAVEGUARD_PUBLIC_URL=https://…; see {_PAGE}"
)

_PROXY_UNKNOWN: Final = (
    "SAVEGUARD_PUBLIC_URL is https and SAVEGUARD_TRUSTED_PROXIES is empty: whoever comes through"
    " the proxy counts as one address, and all wait when one guesses; name the proxy's address;"
    f" see {_PAGE}"
)


def require_way_in(settings: Settings) -> None:
    """Makes sure that nobody can reach the pages but those who may.

    Raises:
        SetupError: they could, or nobody could; the message says what to set.
    """
    match settings.login:
        case "local" if not is_loopback(settings.host):
            raise SetupError(
                f"SAVEGUARD_HOST {settings.host}: whoever reaches the dashboard in local mode"
                " operates it, so it listens on loopback only; set SAVEGUARD_LOGIN to password or"
                f" oidc first ({_PAGE}). The API alone may listen elsewhere: saveguard api --host"
            )
        case "local" if _is_shared(settings):
            raise SetupError(
                "SAVEGUARD_PUBLIC_URL, SAVEGUARD_TRUSTED_PROXIES or SAVEGUARD_ALLOWED_HOSTS:"
                " whoever reaches the dashboard in local mode operates it, so nothing may stand"
                f" between it and this machine; set SAVEGUARD_LOGIN to password or oidc ({_PAGE})"
            )
        case "oidc":
            missing = [
                environment_name(each) for each in _OF_PROVIDER if not getattr(settings, each)
            ]
            if missing:
                raise SetupError(
                    f"SAVEGUARD_LOGIN oidc: {', '.join(missing)} must be set, too; see {_PAGE}"
                )
        case _:
            pass
    allowed_hosts(settings)


def _is_shared(settings: Settings) -> bool:
    """Whether others are meant to reach this machine's loopback, by a proxy or a name of theirs."""
    return bool(settings.trusted_proxies.strip()) or not all(
        is_loopback(name) for name in allowed_hosts(settings)
    )


def advice(runtime: Runtime) -> list[str]:
    """What whoever starts a dashboard should know about signing in; often nothing."""
    settings = runtime.settings
    told = []
    if settings.login == "password" and not _anybody_has_a_password(runtime):
        told.append(_NO_ACCOUNT)
    if settings.login != "local" and not (is_behind_tls(settings) or is_loopback(settings.host)):
        told.append(_IN_CLEAR)
    if (
        settings.login != "local"
        and is_behind_tls(settings)
        and not settings.trusted_proxies.strip()
    ):
        told.append(_PROXY_UNKNOWN)
    return told


def _anybody_has_a_password(runtime: Runtime) -> bool:
    """Whether there is an account that can sign in with one, and has something to see."""
    is_agent = exists().where(col(Agent.account_id) == Account.id)
    found = (
        select(AccountPassword.account_id)
        .join(Account, col(Account.id) == AccountPassword.account_id)
        .where(col(Account.disabled_at).is_(None), or_(col(Account.role).is_not(None), is_agent))
        .limit(1)
    )
    with session_of(runtime.target, runtime.settings) as session:
        return session.exec(found).first() is not None
