"""Rules about the engine's own code: documented, quiet at import, and knowing no screens."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

import engine

ENGINE: Final = Path(engine.__file__).parent
REPOSITORY: Final = ENGINE.parent
SOURCES = sorted(ENGINE.rglob("*.py"))
# A migration script is run by Alembic, whose environment it needs already when it is imported.
_RUN_BY_ALEMBIC: Final = "engine.database.migrations.env"


def name_of(path: Path) -> str:
    parts = path.relative_to(REPOSITORY).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


NAMES = [name_of(path) for path in SOURCES]
by_source = pytest.mark.parametrize("path", SOURCES, ids=NAMES)


def public_definitions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.ClassDef]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from (
                    each
                    for each in node.body
                    if isinstance(each, ast.FunctionDef) and not each.name.startswith("_")
                )


def first_paragraph(docstring: str | None) -> str:
    return (docstring or "").strip().partition("\n\n")[0]


@by_source
def test_a_module_says_in_its_first_sentence_what_it_is_for(path: Path) -> None:
    said = first_paragraph(ast.get_docstring(ast.parse(path.read_text())))

    assert said.endswith(".")


@by_source
def test_what_a_module_offers_is_documented(path: Path) -> None:
    undocumented = [
        node.name
        for node in public_definitions(ast.parse(path.read_text()))
        if not first_paragraph(ast.get_docstring(node))
    ]

    assert undocumented == []


def imports_of(tree: ast.Module) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module)
    return {name.partition(".")[0] for name in found}


@by_source
def test_the_engine_knows_nothing_of_screens(path: Path) -> None:
    imported = imports_of(ast.parse(path.read_text()))

    assert not imported & {"streamlit", "plotly", "pandas", "dashboard", "pages", "tests"}


@by_source
def test_imports_are_absolute(path: Path) -> None:
    tree = ast.parse(path.read_text())

    relative = [n for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.level]

    assert relative == []


PURE = [
    "engine.errors",
    "engine.correlation",
    "engine.payload",
    "engine.quotes.money",
    "engine.quotes.draft",
    "engine.quotes.shape",
    "engine.quotes.validation",
    "engine.quotes.pricing",
    "engine.quotes.lifecycle",
    "engine.quotes.record",
    "engine.attempts.outcome",
]


@pytest.mark.parametrize("name", PURE)
def test_a_pure_module_reaches_for_nothing_outside(name: str) -> None:
    tree = ast.parse((REPOSITORY / Path(*name.split("."))).with_suffix(".py").read_text())

    imported = imports_of(tree)

    assert not imported & {"os", "socket", "time", "random", "threading", "subprocess", "pathlib"}
    assert not imported & {"psycopg", "psycopg_pool", "sqlalchemy", "sqlmodel", "structlog"}


# What a fresh interpreter does when it imports the whole engine: told by its own audit hook.
WITNESS: Final = """
import json, sys
seen = []

def hook(event, args):
    if event == "open" and isinstance(args[0], (str, bytes)):
        mode, flags = args[1], args[2]
        if set(mode or "") & set("wax+") or flags & 0b11 or flags & 0o100:
            seen.append(f"wrote {args[0]}")
    elif event in ("socket.connect", "socket.bind", "subprocess.Popen", "os.exec", "os.fork",
                   "os.mkdir", "os.rename", "os.remove"):
        seen.append(f"{event} {args[-2:]}")

sys.addaudithook(hook)
import importlib, threading
import engine.settings
from engine.settings import Settings

def refuse(*_, **__):
    raise AssertionError("settings were read at import")

engine.settings.load_settings = refuse
Settings.__init__ = refuse
Settings.model_validate = refuse
for name in json.loads(sys.argv[1]):
    importlib.import_module(name)
threads = [each.name for each in threading.enumerate() if each is not threading.main_thread()]
print(json.dumps({"seen": seen, "threads": threads, "streamlit": "streamlit" in sys.modules}))
"""


def witnessed(names: list[str], directory: Path) -> dict[str, Any]:
    """What importing these modules did, in a process with nothing in its environment but traps."""
    ended = subprocess.run(  # noqa: S603  # our own program
        [sys.executable, "-B", "-c", WITNESS, json.dumps(names)],
        cwd=directory,
        env={
            "PYTHONPATH": str(REPOSITORY),
            "HOME": str(directory),
            # Whoever reads these at import has to complain.
            "DATABASE_URL": "nonsense",
            "POOLER": "nonsense",
            "SAVEGUARD_PORT": "nonsense",
            "SAVEGUARD_UNHEARD": "nonsense",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    told: dict[str, Any] = json.loads(ended.stdout)
    return told


def test_nothing_happens_when_the_engine_is_imported(tmp_path: Path) -> None:
    importable = [name for name in NAMES if name != _RUN_BY_ALEMBIC]

    told = witnessed(importable, tmp_path)

    assert told == {"seen": [], "threads": [], "streamlit": False}
    assert list(tmp_path.iterdir()) == []


def test_a_module_that_does_something_at_import_would_be_noticed(tmp_path: Path) -> None:
    (tmp_path / "busy.py").write_text(
        "import socket, threading\n"
        "open('made.txt', 'w').close()\n"
        "threading.Thread(target=threading.Event().wait, daemon=True, name='busy').start()\n"
        "socket.socket().bind(('127.0.0.1', 0))\n"
    )

    told = witnessed(["busy"], tmp_path)

    assert told["threads"] == ["busy"]
    assert [each.split()[0] for each in told["seen"]] == ["wrote", "socket.bind"]


def test_a_module_that_reads_the_settings_at_import_would_be_noticed(tmp_path: Path) -> None:
    (tmp_path / "eager.py").write_text(
        "import os\nfrom engine.settings import load_settings\nload_settings(os.environ)\n"
    )

    with pytest.raises(AssertionError, match="settings were read at import"):
        witnessed(["eager"], tmp_path)
