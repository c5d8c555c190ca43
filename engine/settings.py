"""Every setting of the system, read once at the edge and handed in.

Names in the environment are `SAVEGUARD_` plus the field's name in capitals, except the few that
have a name of their own (DATABASE_URL, POOLER). A name or value we do not know is refused.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from datetime import timedelta
from difflib import get_close_matches
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Final, Literal

import platformdirs
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
)
from pydantic_core import ErrorDetails

from engine.errors import SetupError

_PREFIX = "SAVEGUARD_"
# Names that other people gave before us, and those of services that are not ours.
_OWN_NAMES = {
    "database_url": "DATABASE_URL",
    "pooler": "POOLER",
    "telegram_bot_token": "TELEGRAM_BOT_TOKEN",
    "telegram_chat_id": "TELEGRAM_CHAT_ID",
    "telegram_api_url": "TELEGRAM_API_URL",
    "alert_webhook_url": "ALERT_WEBHOOK_URL",
    "alert_webhook_secret": "ALERT_WEBHOOK_SECRET",
    "alert_apprise_urls": "ALERT_APPRISE_URLS",
    "alert_heartbeat_url": "ALERT_HEARTBEAT_URL",
}
_REVOKED_WITHIN: Final = timedelta(seconds=5)
_PAGE: Final = "docs/reference/settings.md"

# What pydantic finds wrong, in our words; it gives the bounds and choices along.
_COMPLAINTS: Final[Mapping[str, str]] = {
    "int_parsing": "a whole number is needed",
    "int_parsing_size": "a whole number is needed, and a smaller one",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "literal_error": "must be {expected}",
    "string_pattern_mismatch": "does not fit the pattern {pattern}",
    "value_error": "{error}",
}


def _seconds(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return timedelta(seconds=float(value))
    except (ValueError, OverflowError):
        raise ValueError("a number of seconds is needed") from None


def _not_negative(value: timedelta) -> timedelta:
    if value < timedelta(0):
        raise ValueError("must be at least 0")
    return value


def _positive(value: timedelta) -> timedelta:
    if value <= timedelta(0):
        raise ValueError("must be more than 0")
    return value


def _at_most_5_s(value: timedelta) -> timedelta:
    # What a revoked key can do for longer than that is promised to nobody.
    if value > _REVOKED_WITHIN:
        raise ValueError("must be at most 5")
    return value


def _networks(value: str) -> str:
    """Nobody's word is taken because of an address that was mistyped."""
    for number, entry in enumerate(filter(None, map(str.strip, value.split(","))), 1):
        try:
            if "/" in entry:
                ip_network(entry)
            else:
                ip_address(entry)
        except ValueError:
            # What looks like no address at all may be a secret in the wrong place.
            name = entry if "." in entry or ":" in entry else f"entry {number}"
            raise ValueError(
                f"{name} is no address and no network (of which the bits behind the prefix are 0)"
            ) from None
    return value


Seconds = Annotated[timedelta, BeforeValidator(_seconds), AfterValidator(_not_negative)]
SomeSeconds = Annotated[timedelta, BeforeValidator(_seconds), AfterValidator(_positive)]


def default_data_dir() -> Path:
    """Where the embedded database and the journal live unless told otherwise.

    PostgreSQL never runs as root: under root it becomes another user, which cannot look into
    root's home. So root's data goes to a system path.
    """
    if os.geteuid() == 0:
        return Path("/var/lib/saveguard")
    return platformdirs.user_data_path("saveguard")


class Settings(BaseModel):
    """The system's settings; frozen, secrets hidden when printed."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    database_url: SecretStr | None = Field(
        default=None,
        description="PostgreSQL to use, as the application role; empty means the embedded one.",
    )
    owner_database_url: SecretStr | None = Field(
        default=None,
        description="The same database as its owner, for migrations; DATABASE_URL unless set.",
    )
    pooler: Literal["none", "transaction"] = Field(
        default="none",
        description="transaction: a pooler such as PgBouncer shares sessions between clients.",
    )
    data_dir: Path = Field(
        default_factory=default_data_dir,
        description="Directory of the embedded database, of the journal and of the log files.",
    )
    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(default=8501, ge=1, le=65535, description="Port of the dashboard and API.")
    api_port: int = Field(
        default=8502, ge=1, le=65535, description="Port of the API when it runs apart."
    )
    environment: str = Field(
        default="development",
        pattern=r"^[A-Za-z0-9._-]{1,64}$",
        description="Name of this installation, written on every attempt.",
    )
    release: str = Field(
        default="0.1.0",
        pattern=r"^[A-Za-z0-9._+-]{1,64}$",
        description="Name of the running release, written on every attempt.",
    )
    instance: str = Field(
        default_factory=lambda: f"{socket.gethostname()[:40]}-{os.getpid()}",
        pattern=r"^[A-Za-z0-9._-]{1,64}$",
        description="Name of this process, written on every attempt.",
    )
    write_form: Literal["one-statement", "several-statements"] = Field(
        default="one-statement",
        description="How a save is written; several-statements for Citus and for poolers.",
    )
    pool_size: int = Field(
        default=8,
        ge=1,
        le=50,
        description="Connections, so saves at once, per process; above 8 only latency grows.",
    )
    lock_timeout: SomeSeconds = Field(
        default=timedelta(seconds=2), description="Longest wait for a lock."
    )
    statement_timeout: SomeSeconds = Field(
        default=timedelta(seconds=8), description="Longest run of one statement."
    )
    save_budget: SomeSeconds = Field(
        default=timedelta(seconds=10),
        description=(
            "Longest a save may take in all, retries and resolution included; with the database"
            " silent, writing the row of its refusal may take 2 s more."
        ),
    )
    pool_wait: SomeSeconds = Field(
        default=timedelta(seconds=2), description="Longest wait for a free connection."
    )
    retry_limit: int = Field(
        default=2, ge=0, le=5, description="Retries after a deadlock or serialization failure."
    )
    retry_delay: Seconds = Field(
        default=timedelta(milliseconds=50), description="First retry delay before jitter."
    )
    body_limit: int = Field(
        default=1024 * 1024, ge=1024, description="Largest request body, in bytes."
    )
    body_time: SomeSeconds = Field(
        default=timedelta(seconds=30), description="Longest a request body may take to arrive."
    )
    idempotency_lifetime: SomeSeconds = Field(
        default=timedelta(hours=24), description="How long an idempotency key is remembered."
    )
    identity_lifetime: Annotated[Seconds, AfterValidator(_at_most_5_s)] = Field(
        default=timedelta(seconds=2),
        description=(
            "How long a verified key or sign-in is trusted without asking, at most 5 s;"
            " bounds revocation."
        ),
    )
    login: Literal["local", "password", "oidc"] = Field(
        default="local",
        description=(
            "Who may see the dashboard: local for whoever reaches it, on loopback only; password"
            " for accounts with one; oidc for those of an identity provider."
        ),
    )
    public_url: str | None = Field(
        default=None,
        pattern=r"^https?://[A-Za-z0-9.\[\]:-]+$",
        description=(
            "Address at which people reach the dashboard; with https cookies are sent over TLS"
            " only. http, host and port of this process unless set."
        ),
    )
    allowed_hosts: str = Field(
        default="",
        pattern=r"^[A-Za-z0-9.*\[\]:,_ -]*$",
        description=(
            "Names that requests may be addressed to, by commas; those of the host, of the public"
            " URL and of loopback are among them. * for any."
        ),
    )
    trusted_proxies: Annotated[str, AfterValidator(_networks)] = Field(
        default="",
        pattern=r"^[0-9A-Fa-f.:/, ]*$",
        description="Addresses or networks, by commas, whose X-Forwarded-For and -Proto hold.",
    )
    cookie_secret: SecretStr | None = Field(
        default=None,
        min_length=32,
        description=(
            "Signs the cookies of those who are signed in, at least 32 characters; unless set made"
            " once and kept in DATA_DIR."
        ),
    )
    session_lifetime: SomeSeconds = Field(
        default=timedelta(hours=12), description="How long somebody stays signed in."
    )
    oidc_metadata_url: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s@]+$",  # it is no secret, so it must not hold a password
        description="The provider's address that ends in /.well-known/openid-configuration.",
    )
    oidc_client_id: str | None = Field(
        default=None, description="Name of this installation at the provider."
    )
    oidc_client_secret: SecretStr | None = Field(
        default=None, description="Its secret at the provider."
    )
    oidc_scope: str = Field(
        default="openid email profile", description="What is asked of the provider, by spaces."
    )
    oidc_prompt: str = Field(
        default="login", description="How the provider is to ask: login, select_account, none."
    )
    oidc_name: str = Field(
        default="your organisation", description="What the button to sign in calls the provider."
    )
    oidc_role_claim: str | None = Field(
        default=None,
        description="Claim that has the roles; unless set they are those of the accounts.",
    )
    oidc_roles: str = Field(
        default="viewer=viewer,on-call=on-call,lead=lead,admin=admin",
        pattern=r"^\s*[^=,]+=(viewer|on-call|lead|admin)(\s*,\s*[^=,]+=(viewer|on-call|lead|admin))*\s*$",
        description="Which value of the claim is which role, as VALUE=ROLE by commas.",
    )
    bad_credentials_per_minute: int = Field(
        default=20,
        ge=1,
        le=100_000,
        description="Wrong keys that one address may show in a minute before it has to wait.",
    )
    bad_passwords: int = Field(
        default=5,
        ge=1,
        le=1_000,
        description=(
            "Wrong passwords for one account from one address in a quarter of an hour before it"
            " has to wait."
        ),
    )
    sweep_interval: SomeSeconds = Field(
        default=timedelta(seconds=2),
        description="How often left-over journals and the spool are looked at.",
    )
    roll_interval: SomeSeconds = Field(
        default=timedelta(seconds=10),
        description="How often new attempts are taken into the rollups; numbers are exact anyway.",
    )
    alert_interval: SomeSeconds = Field(
        default=timedelta(seconds=10),
        description=(
            "How often the alert rules are evaluated; after two of these without it, that is an"
            " alert."
        ),
    )
    alert_heartbeat_url: SecretStr | None = Field(
        default=None,
        description=(
            "Address that is asked for after every evaluation of the alert rules, so that a watcher"
            " outside notices when that stops."
        ),
    )
    alert_runbook_url: str = Field(
        default="docs/runbooks/alerts.md",
        pattern=r"^[^\s#@]+$",
        description="Where the alerts' runbook is read; # and the section follow in each alert.",
    )
    retention_days: int = Field(
        default=90,
        ge=1,
        le=36_500,
        description="Days that the ledger keeps each attempt; the rollups stay.",
    )
    log_format: Literal["json", "console"] = Field(
        default="json", description="json for machines, console while a person is watching."
    )

    log_file_size: int = Field(
        default=16 * 1024 * 1024,
        ge=64 * 1024,
        description="Bytes at which a log file under DATA_DIR/logs is followed by a new one.",
    )
    log_files: int = Field(
        default=64,
        ge=1,
        le=100_000,
        description="Log files that are kept of each kind; one in use is never removed.",
    )
    log_days: int = Field(
        default=30, ge=1, le=36_500, description="Days after which a log file is removed."
    )
    telegram_bot_token: SecretStr | None = Field(
        default=None, description="Token of the bot that alerts are sent by; secret."
    )
    telegram_chat_id: str | None = Field(
        default=None,
        description="Chat that alerts are sent to: a number, or @ and the name of a channel.",
    )
    telegram_api_url: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s@]+$",  # it is no secret, so it must not hold a password
        description="Where the Bot API is; Telegram's own unless set.",
    )
    alert_webhook_url: SecretStr | None = Field(
        default=None,
        description="Address that alerts are posted to as JSON, https unless on loopback; secret.",
    )
    alert_webhook_secret: SecretStr | None = Field(
        default=None,
        min_length=16,
        description="Signs what is posted there, at least 16 characters; unsigned unless set.",
    )
    alert_apprise_urls: SecretStr | None = Field(
        default=None,
        description="Addresses of Apprise's services that alerts are sent to, by spaces; secret.",
    )

    @property
    def is_embedded(self) -> bool:
        """Whether the private PostgreSQL is used."""
        return self.database_url is None


def environment_name(field: str) -> str:
    """The environment variable that sets a field."""
    return _OWN_NAMES.get(field, _PREFIX + field.upper())


def load_settings(environ: Mapping[str, str], **overrides: object) -> Settings:
    """Reads the settings from an environment.

    Args:
        environ: usually `os.environ`.
        overrides: values from the command line; None means not given.

    Raises:
        SetupError: a name or a value is not known; the message names the variable, not the value.
    """
    by_variable = {environment_name(field): field for field in Settings.model_fields}
    unknown = sorted(n for n in environ if n.startswith(_PREFIX) and n not in by_variable)
    if unknown:
        raise SetupError(
            f"{', '.join(unknown)}: no such setting{_meant(unknown, by_variable)}; see {_PAGE}"
        )
    values: dict[str, object] = {
        field: environ[variable]
        for variable, field in by_variable.items()
        if environ.get(variable, "") != ""
    }
    values |= {name: value for name, value in overrides.items() if value is not None}
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        variable = environment_name(str(first["loc"][0])) if first["loc"] else "settings"
        raise SetupError(f"{variable}: {_complaint(first)}; see {_PAGE}") from None


def _meant(unknown: list[str], known: Mapping[str, str]) -> str:
    """The settings that were probably meant."""
    close = [name for wrong in unknown for name in get_close_matches(wrong, known, n=1)]
    return f" (did you mean {', '.join(dict.fromkeys(close))}?)" if close else ""


def _complaint(error: ErrorDetails) -> str:
    """What is wrong with a value, without the value: it may be a secret in the wrong place."""
    return _COMPLAINTS.get(error["type"], "does not fit").format_map(error.get("ctx", {}))
