"""Which database to talk to, and as whom: one place turns settings into conninfos."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from engine.database.cluster import Cluster
from engine.errors import SetupError
from engine.settings import Settings

DATABASE_NAME = "saveguard"
OWNER_ROLE = "saveguard_owner"
APP_ROLE = "saveguard_app"
_CONNECT_TIMEOUT_S = 5


@dataclass(frozen=True, slots=True)
class Target:
    """Where the database is.

    Attributes:
        app: conninfo for everything but migrations.
        owner: conninfo for migrations and partitions; may be the same.
        pooler: "transaction" when a pooler shares server sessions between clients.
        cluster: the embedded server, if it is that.
    """

    app: str = field(repr=False)
    owner: str = field(repr=False)
    pooler: str = "none"
    cluster: Cluster | None = None


def open_target(settings: Settings) -> Target:
    """Finds the database; starts the embedded one when no other is named.

    Raises:
        SetupError: a URL is malformed, the server cannot be reached, or it cannot be started.
    """
    if settings.database_url is None:
        return embedded_target(settings.data_dir)
    app = _conninfo("DATABASE_URL", settings.database_url.get_secret_value())
    owner_url = settings.owner_database_url
    owner = (
        app
        if owner_url is None
        else _conninfo("SAVEGUARD_OWNER_DATABASE_URL", owner_url.get_secret_value())
    )
    _must_answer("DATABASE_URL", app)
    if owner != app:
        _must_answer("SAVEGUARD_OWNER_DATABASE_URL", owner)
    return Target(app, owner, settings.pooler)


def embedded_target(data_dir: Path, database: str = DATABASE_NAME) -> Target:
    """Starts or joins the embedded server and makes our database and roles if need be."""
    cluster = Cluster(data_dir / "postgresql")
    cluster.start()
    bootstrap(cluster.conninfo("postgres"), database)
    return Target(
        app=cluster.conninfo(database, APP_ROLE),
        owner=cluster.conninfo(database, OWNER_ROLE),
        cluster=cluster,
    )


def bootstrap(superuser: str, database: str) -> None:
    """Makes our two roles and a database on a server, where they are missing.

    Args:
        superuser: conninfo of a role that may create roles and databases.
        database: the database's name.
    """
    with psycopg.connect(superuser, autocommit=True) as connection:
        # Two processes may come here at once; the lock ends with the session.
        connection.execute("SELECT pg_advisory_lock(hashtext('saveguard.bootstrap'))")
        for role in (OWNER_ROLE, APP_ROLE):
            if _is_missing(connection, "SELECT FROM pg_roles WHERE rolname = %s", role):
                connection.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(role)))
            connection.execute(sql.SQL("ALTER ROLE {} LOGIN").format(sql.Identifier(role)))
        if _is_missing(connection, "SELECT FROM pg_database WHERE datname = %s", database):
            connection.execute(
                sql.SQL("CREATE DATABASE {} OWNER {}").format(
                    sql.Identifier(database), sql.Identifier(OWNER_ROLE)
                )
            )


def _is_missing(connection: psycopg.Connection[Any], query: LiteralString, name: str) -> bool:
    return connection.execute(query, [name]).fetchone() is None


def _conninfo(variable: str, url: str) -> str:
    """A conninfo from a URL of the libpq or of the SQLAlchemy kind."""
    plain = url.replace("postgresql+psycopg://", "postgresql://", 1)
    if not plain.startswith(("postgresql://", "postgres://")):
        raise SetupError(f"{variable}: must start with postgresql:// ; no other database will do")
    try:
        given = conninfo_to_dict(plain)
    except psycopg.ProgrammingError:
        # The driver's message quotes the URL, password and all.
        raise SetupError(f"{variable}: is not a well-formed database URL") from None
    given.setdefault("connect_timeout", _CONNECT_TIMEOUT_S)
    return make_conninfo("", **given)


def _must_answer(variable: str, conninfo: str) -> None:
    try:
        with psycopg.connect(conninfo, autocommit=True) as connection:
            connection.execute("SELECT 1")
    except psycopg.Error as error:
        raise SetupError(f"{variable}: {explain(error, conninfo)}") from None


def explain(error: psycopg.Error, conninfo: str) -> str:
    """Why a database cannot be used, in one line without secrets.

    What libpq says ends in the reason, after the last colon.
    """
    given = conninfo_to_dict(conninfo)
    where = f"{given.get('host', 'local socket')}:{given.get('port', 5432)}"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    reason = lines[-1] if lines else type(error).__name__
    for marker in ("failed: ", "FATAL: "):
        reason = reason.rpartition(marker)[2].strip() or reason
    secret = str(given.get("password", ""))
    if secret and secret in reason:
        reason = "the server refused the connection"
    return f"cannot use the database at {where}: {reason}"
