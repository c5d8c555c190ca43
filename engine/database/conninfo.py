"""Connection strings that mean the same whatever PG* variables a shell has set.

libpq fills every parameter that a connection string leaves out from the environment: a PGOPTIONS
or PGSSLMODE meant for another server would break, or bend, every connection to ours. So each
variable that is set is answered by naming its parameter with libpq's own default. Four variables
have no parameter to answer with; `forget_variables` takes those away.
"""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from pathlib import Path

from psycopg import pq
from psycopg.conninfo import make_conninfo

# PGSERVICE fails when no such service is defined, and an empty `service` does too. The others are
# sent as session settings after `options`, so that nothing in the connection string undoes them.
_UNANSWERABLE = ("PGSERVICE", "PGTZ", "PGDATESTYLE", "PGGEQO")
# Parameters whose default cannot be written as the empty string: libpq refuses it.
_WRITTEN_DEFAULTS = {
    "sslcertmode": "allow",
    "min_protocol_version": "3.0",
    "max_protocol_version": "3.0",
}
# The socket is on this machine: a server that has not accepted by now does not.
_CONNECT_TIMEOUT_S = 10


def build(host: Path, port: int, database: str, user: str) -> str:
    """A libpq connection string for a server on a unix socket.

    Args:
        host: directory of the socket.
        port: names the socket.
        database: database to connect to.
        user: role to connect as.
    """
    foreign: dict[str, str | int] = {
        keyword: _WRITTEN_DEFAULTS.get(keyword, default)
        for keyword, variable, default in _parameters()
        if variable in os.environ and variable not in _UNANSWERABLE
    }
    own: dict[str, str | int] = {
        "host": str(host),
        "port": port,
        "dbname": database,
        "user": user,
        "connect_timeout": _CONNECT_TIMEOUT_S,
    }
    return make_conninfo("", **{**foreign, **own})


def forget_variables(environ: MutableMapping[str, str]) -> None:
    """Removes the variables that no connection string can answer."""
    for variable in _UNANSWERABLE:
        environ.pop(variable, None)


def _parameters() -> list[tuple[str, str, str]]:
    """Every parameter that this libpq reads from a variable: keyword, variable, default."""
    return [
        (option.keyword.decode(), option.envvar.decode(), (option.compiled or b"").decode())
        for option in pq.Conninfo.get_defaults()
        if option.envvar
    ]
