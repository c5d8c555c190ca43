"""What Streamlit caches is one thing for the process: its caches forget values, but never a key."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

_TOP = Path(__file__).resolve().parents[2]
_CACHES = {"cache_resource", "cache_data"}


def test_nothing_is_cached_by_a_key_that_changes_with_every_reading() -> None:
    cached = [
        (path.name, function.name, len(function.args.args))
        for folder in ("dashboard", "pages")
        for path in sorted((_TOP / folder).glob("*.py"))
        for function in _cached_functions(path)
    ]

    assert cached
    assert [each for each in cached if each[2]] == []


def _cached_functions(path: Path) -> Iterator[ast.FunctionDef]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef) and any(
            isinstance(part, ast.Attribute) and part.attr in _CACHES
            for decorator in node.decorator_list
            for part in ast.walk(decorator)
        ):
            yield node
