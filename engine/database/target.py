"""Which database to talk to, and as whom: one place turns settings into conninfos."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from psycopg import errors, sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from engine.database.cluster import Cluster
from engine.errors import SetupError
from engine.settings import Settings

DATABASE_NAME = "saveguard"
OWNER_ROLE = "saveguard_owner"
APP_ROLE = "saveguard_app"
_CONNECT_TIMEOUT_S = 5
_OLDEST_SERVER = 150_000  # the oldest that the tests run on


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


def describe(settings: Settings) -> str:
    """Which database the settings name, in words without secrets; nothing is asked or started.

    Raises:
        SetupError: the URL is malformed.
    """
    if settings.database_url is None:
        return f"the database in {settings.data_dir.absolute()}"
    conninfo = _conninfo("DATABASE_URL", settings.database_url.get_secret_value())
    name = conninfo_to_dict(conninfo).get("dbname", "of that login's name")
    return f"the database {name} at {_place(conninfo)}"


def require_existing(settings: Settings) -> None:
    """Refuses a data directory without a database, on behalf of commands that must not make one.

    Raises:
        SetupError: the embedded database is meant, and has never been started there.
    """
    if settings.is_embedded and not _cluster_in(settings.data_dir).exists:
        raise SetupError(
            f"no database in {settings.data_dir.absolute()}; start one with: saveguard up"
        )


def embedded_target(data_dir: Path, database: str = DATABASE_NAME) -> Target:
    """Starts or joins the embedded server and makes our database and roles if need be."""
    cluster = _cluster_in(data_dir)
    cluster.start()
    bootstrap(cluster.conninfo("postgres"), database)
    return Target(
        app=cluster.conninfo(database, APP_ROLE),
        owner=cluster.conninfo(database, OWNER_ROLE),
        cluster=cluster,
    )


def _cluster_in(data_dir: Path) -> Cluster:
    return Cluster(data_dir / "postgresql")


def bootstrap(superuser: str, database: str) -> None:
    """Makes our two roles and a database on a server, where they are missing.

    Args:
        superuser: conninfo of a role that may create roles and databases.
        database: the database's name.

    Raises:
        SetupError: the server cannot be used, or that role may not.
    """
    try:
        with psycopg.connect(superuser, autocommit=True) as connection:
            # Two processes may come here at once; the lock ends with the session.
            connection.execute("SELECT pg_advisory_lock(hashtext('saveguard.bootstrap'))")
            for role in (OWNER_ROLE, APP_ROLE):
                _make_role(connection, role)
            # With one URL for everything, the application becomes its own role on the owner's
            # connections; and the maker of a database must be able to become its owner.
            _make_member(connection, APP_ROLE, OWNER_ROLE)
            if _is_missing(connection, "SELECT FROM pg_database WHERE datname = %s", database):
                _make_member(connection, OWNER_ROLE, connection.info.user)
                _make_database(connection, database)
    except errors.InsufficientPrivilege as error:
        raise SetupError(
            f"cannot make the roles {OWNER_ROLE} and {APP_ROLE} and the database {database} "
            f"({error.diag.message_primary}): a role with CREATEROLE and CREATEDB can"
        ) from None
    except psycopg.OperationalError as error:
        raise SetupError(explain(error, superuser)) from None


def _make_role(connection: psycopg.Connection[Any], role: str) -> None:
    name = sql.Identifier(role)
    if _is_missing(connection, "SELECT FROM pg_roles WHERE rolname = %s", role):
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(name))
    # The migrations make the application's role too, for which they need no login.
    if _is_missing(connection, "SELECT FROM pg_roles WHERE rolname = %s AND rolcanlogin", role):
        connection.execute(sql.SQL("ALTER ROLE {} LOGIN").format(name))


def _make_member(connection: psycopg.Connection[Any], role: str, member: str) -> None:
    query = """
        SELECT FROM pg_roles m
        WHERE m.rolname = %s AND (m.rolsuper OR pg_has_role(m.oid, %s, 'USAGE'))
    """
    if connection.execute(query, [member, role]).fetchone() is None:
        connection.execute(
            sql.SQL("GRANT {} TO {}").format(sql.Identifier(role), sql.Identifier(member))
        )


def _make_database(connection: psycopg.Connection[Any], database: str) -> None:
    """Makes it in UTF-8, whatever the server's own databases are encoded in."""
    connection.execute(
        sql.SQL("CREATE DATABASE {} OWNER {} ENCODING 'UTF8' TEMPLATE template0").format(
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
    """Refuses a database that does not answer, is too old, or cannot hold every name."""
    try:
        with psycopg.connect(conninfo, autocommit=True) as connection:
            connection.execute("SELECT 1")
            version = connection.info.server_version
            encoding = connection.info.parameter_status("server_encoding")
    except psycopg.Error as error:
        raise SetupError(f"{variable}: {explain(error, conninfo)}") from None
    if version < _OLDEST_SERVER:
        raise SetupError(
            f"{variable}: this is PostgreSQL {version // 10_000}, and Saveguard needs "
            f"{_OLDEST_SERVER // 10_000} or newer"
        )
    if encoding != "UTF8":
        raise SetupError(
            f"{variable}: the database's encoding is {encoding}, and Saveguard needs UTF8: make "
            "one with CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0"
        )


def explain(error: psycopg.Error, conninfo: str) -> str:
    """Why a database cannot be used, in one line without secrets."""
    reason = error.diag.message_primary or _reason(str(error)) or type(error).__name__
    secret = str(conninfo_to_dict(conninfo).get("password", ""))
    if secret and secret in reason:
        reason = "the server refused the connection"
    return f"cannot use the database at {_place(conninfo)}: {reason}"


def _place(conninfo: str) -> str:
    given = conninfo_to_dict(conninfo)
    return f"{given.get('host', 'local socket')}:{given.get('port', 5432)}"


def _reason(said: str) -> str:
    """The reason in what libpq says, which is what follows the last marker.

    With several hosts it is the last one's; questions and guesses follow on lines without one.
    """
    lines = [line for line in said.splitlines() if line.strip()]
    marked = [line for line in lines if any(marker in line for marker in _MARKERS)]
    reason = marked[-1] if marked else "".join(lines[:1])
    for marker in _MARKERS:
        reason = reason.rpartition(marker)[2].strip() or reason
    return reason


_MARKERS = ("failed: ", "FATAL: ")
