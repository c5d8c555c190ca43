"""The embedded server's settings: our defaults, and the file they are written to."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

FILE_NAME = "app.conf"
# What the last line of initdb's postgresql.conf says, so that ours is read after it.
INCLUDE = f"\ninclude_if_exists = '{FILE_NAME}'\n"
PORT = 5432

DEFAULTS: Mapping[str, str] = MappingProxyType(
    {
        # Durability is not for sale: an answered save survives a power cut.
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
        # Ten processes with a pool of eight, and room for agents, tests and a person with psql.
        "max_connections": "100",
        # Holds the live tables of a development machine; a laptop does not notice it.
        "shared_buffers": "128MB",
        "huge_pages": "off",
        # Every checkpoint makes the next write of each page log the whole page. Fewer of them is
        # less to write for a save; 2 GB is replayed in well under our limit for a start.
        "max_wal_size": "2GB",
        "min_wal_size": "256MB",
        "checkpoint_timeout": "15min",
        "checkpoint_completion_target": "0.9",
        # Nobody replicates a private server; without it bulk loads need not be logged.
        "wal_level": "minimal",
        "max_wal_senders": "0",
        # Our statements are short; the wheel has no compiler to call anyway.
        "jit": "off",
        "timezone": "UTC",
        "log_timezone": "UTC",
        # A transaction left open keeps vacuum and the roller's snapshots back.
        "idle_in_transaction_session_timeout": "30s",
        "log_min_duration_statement": "1s",
        # What is saved is nobody's business here: neither a slow statement's parameters nor the
        # row that broke a constraint.
        "log_parameter_max_length": "0",
        "log_parameter_max_length_on_error": "0",
        "log_error_verbosity": "terse",
        # The start rotates the log; the server's own collector would be one process more.
        "logging_collector": "off",
        "cluster_name": "saveguard",
        # Reached by the socket only, and only by its owner: authentication is `trust`.
        "listen_addresses": "",
        "unix_socket_permissions": "0700",
    }
)
STATEMENT_STATISTICS = MappingProxyType({"shared_preload_libraries": "pg_stat_statements"})
# Callers cannot set these: `Cluster.conninfo` and the server's safety depend on them.
_OURS = frozenset(
    {
        "port",
        "listen_addresses",
        "unix_socket_directories",
        "unix_socket_permissions",
        "data_directory",
        "hba_file",
    }
)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)?")


def check(settings: Mapping[str, str]) -> None:
    """Refuses settings that a caller may not make.

    Raises:
        ValueError: the name is ours to set, or none at all.
    """
    for name in settings:
        if name.lower() in _OURS:
            raise ValueError(f"{name} is set by the cluster itself")
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name of a server setting")


def render(settings: Mapping[str, str], socket_dir: Path) -> str:
    """The text of the settings file; every value quoted by the server's own rules."""
    # A list of directories: an element is taken literally when it stands in double quotes.
    directory = str(socket_dir).replace('"', '""')
    located = {"port": str(PORT), "unix_socket_directories": f'"{directory}"'}
    lines = [f"{name} = {_quoted(value)}\n" for name, value in {**settings, **located}.items()]
    return "# Written at every start; put changes elsewhere.\n" + "".join(lines)


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "''").replace("\n", "\\n")
    return f"'{escaped}'"
