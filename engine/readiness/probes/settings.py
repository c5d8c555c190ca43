"""The settings of this process: for the environment that it is to be, whole, and none made up."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from psycopg.conninfo import conninfo_to_dict
from pydantic import SecretStr

from engine.readiness.probes.probe import Found, Question, failing, passing, unknown
from engine.settings import Settings, environment_name

# Those that tell one installation and one release from all others.
_REQUIRED: Final = ("environment", "release")
# Together or not at all.
_OF_PROVIDER: Final = ("oidc_metadata_url", "oidc_client_id", "oidc_client_secret")
_PLACEHOLDER: Final = re.compile(
    r"|change[-_ ]?me|replace[-_ ]?me|to[-_ ]?do|todo|tbd|x{3,}|\*+|\.+|<.*>|\$\{.*\}|your[-_ ].*"
    r"|example|dummy|test|secret|password|passwd|postgres|admin|saveguard|12345\d*",
    re.IGNORECASE,
)


def model(question: Question) -> Found:
    """`env.model`: every setting was read and is sound, named for this environment, no secret fake.

    Whether secrets differ from another environment's only somebody can tell who has both.
    """
    return judged(question.runtime.settings, question.release.environment)


def judged(settings: Settings, environment: str) -> Found:
    """What settings come to.

    Args:
        settings: of this process, validated when they were read.
        environment: that the release is going to.
    """
    secrets = dict(secrets_of(settings))
    unset = [environment_name(name) for name in _REQUIRED if name not in settings.model_fields_set]
    fake = [name for name, secret in secrets.items() if _PLACEHOLDER.fullmatch(secret)]
    given = [name for name in _OF_PROVIDER if getattr(settings, name) is not None]
    partial = [environment_name(name) for name in _OF_PROVIDER if name not in given]
    numbers: dict[str, Any] = {
        "settings": len(Settings.model_fields),
        "environment": settings.environment,
        "unset": unset,
        "secrets": sorted(secrets),
        "placeholders": fake,
    }
    witness = ", ".join(environment_name(name) for name in _REQUIRED)
    if settings.environment != environment:
        reason = f"This process is of {settings.environment}, the release goes to {environment}"
        return failing(reason, witness, **numbers)
    if unset:
        return failing(f"Not set: {', '.join(unset)}", witness, **numbers)
    if fake:
        return failing(f"A placeholder stands in {', '.join(fake)}", witness, **numbers)
    if given and partial:
        return failing(f"Of the provider {', '.join(partial)} is missing", witness, **numbers)
    if secrets:
        return unknown(
            f"All {len(Settings.model_fields)} settings are sound; whether {len(secrets)} secrets"
            " differ from another environment's cannot be told: there is nothing to compare with",
            witness,
            **numbers,
        )
    return passing(
        f"All {len(Settings.model_fields)} settings are sound, the environment is {environment},"
        " and there is no secret to keep",
        witness,
        **numbers,
    )


def secrets_of(settings: Settings) -> Iterator[tuple[str, str]]:
    """What must be known to nobody, by the name of its variable; of an address its password."""
    for field, value in settings:
        if not isinstance(value, SecretStr):
            continue
        secret, name = value.get_secret_value(), environment_name(field)
        if not field.endswith("database_url"):
            yield name, secret
            continue
        plain = secret.replace("postgresql+psycopg://", "postgresql://", 1)
        password = conninfo_to_dict(plain).get("password")
        # One that logs in without a password has none that could be known.
        if password is not None:
            yield name, str(password)
