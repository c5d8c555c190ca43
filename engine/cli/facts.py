"""Facts on standard output: JSON for programs, a line each for people."""

from __future__ import annotations

import json
from collections.abc import Mapping

import click


def show_facts(facts: Mapping[str, object], *, as_json: bool) -> None:
    """Prints facts by their names in JSON; a new API key with the advice to keep it."""
    if as_json:
        click.echo(json.dumps(facts))
        return
    for name, value in facts.items():
        click.echo(f"{name}: {'none' if value is None else one_line(str(value))}")
    if "apiKey" in facts:
        click.echo("The key is shown this once and stored nowhere; keep it now.", err=True)


def one_line(words: str) -> str:
    """What somebody has said, as part of a line: another one would pass for ours."""
    return " ".join(words.split())
