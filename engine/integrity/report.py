"""What a verification found, as lines for a person and as JSON for a program."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from engine.integrity.rules import RULES, RuleResult, is_clean
from engine.payload import encode

_HEADS: Final = (
    f"{'rule':<5}  {'verdict':<7}  {'wrong':>9} of {'rows':>11}  {'time':>9}  what holds"
)


def report_lines(results: Sequence[RuleResult]) -> list[str]:
    """Heads, a line for each rule, the offenders below theirs, and the sum of it last."""
    lines = [_HEADS]
    for result in results:
        lines.append(_line(result))
        lines.extend(_offender_lines(result))
    return [*lines, "", _summary(results)]


def as_json(results: Sequence[RuleResult]) -> str:
    """The same as JSON; columns by their names in the database."""
    return encode(
        {
            "is_clean": is_clean(results),
            "rules": [
                {
                    "id": result.rule.id,
                    "statement": result.rule.statement,
                    "checked": result.checked,
                    "violations": result.violations,
                    "offenders": result.offenders,
                    "duration_s": result.duration_s,
                }
                for result in results
            ],
        }
    ).decode()


def offender_line(offender: Mapping[str, Any]) -> str:
    """An offender in a line: what is wrong with it, and its facts."""
    facts = " ".join(
        f"{name}={_text(value)}" for name, value in offender.items() if name != "problem"
    )
    return f"{offender['problem']}: {facts}"


def _line(result: RuleResult) -> str:
    counts = f"{result.violations:>9,} of {result.checked:>11,}"
    return (
        f"{result.rule.id:<5}  {_verdict(result):<7}  {counts}  {result.duration_s:>7.2f} s"
        f"  {result.rule.statement}"
    )


def _verdict(result: RuleResult) -> str:
    if result.violations:
        return "BROKEN"
    # A rule that had nothing to look at is not broken, and not confirmed either.
    return "holds" if result.checked else "no rows"


def _offender_lines(result: RuleResult) -> Iterator[str]:
    for offender in result.offenders:
        yield f"       {offender_line(offender)}"
    unnamed = result.violations - len(result.offenders)
    if unnamed > 0:
        yield f"       and {unnamed:,} more"


def _summary(results: Sequence[RuleResult]) -> str:
    broken = [result.rule.id for result in results if result.violations]
    if broken:
        return f"Broken: {', '.join(broken)}; {len(results)} rules checked."
    if not is_clean(results):
        return f"Only {len(results)} rules were checked; nothing is known of the others."
    if not _quotes(results):
        return f"The database holds no quotes. {len(results)} rules checked, nothing found."
    return f"Nothing found: {len(results)} rules checked."


def _quotes(results: Sequence[RuleResult]) -> int:
    """How many quotes there are: each of them is looked at for its version."""
    return next(result.checked for result in results if result.rule == RULES["DI-1"])


def _text(value: Any) -> str:  # noqa: ANN401  # whatever a column holds
    if value is None:
        return "null"
    if isinstance(value, (list, tuple)):
        return ",".join(map(_text, value)) or "none"
    return str(value)
