"""The rate limit: a burst of twice as much as a canary may send."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Final

from engine.access.canaries import Canary
from engine.errors import ErrorCode
from engine.readiness.probes.calling import OK, QUOTES, Heard, Stage, over_http
from engine.readiness.probes.probe import Found, Question
from engine.readiness.probes.transcript import Transcript

_TOO_MANY: Final = 429
_LINES: Final = 4
# A limit is of a moving minute, which may be counted in two fixed ones.
_WINDOWS_S: Final = 121
_SINCE_LAST: Final = """
    SELECT extract(epoch FROM %s - max(started_at))::float8 FROM attempt
    WHERE agent_id = %s AND started_at > %s - INTERVAL '5 minutes'
"""
_PER_MINUTE: Final = int(Canary.LIMITED.value.rate_limit_per_minute or 0)


@over_http(Canary.LIMITED)
def ratelimit(question: Question, stage: Stage) -> Found:
    """`sec.ratelimit`: of twice the limit exactly the limit passes; another agent notices nothing.

    Looked at again within two minutes it waits until nothing of the last look counts any more.
    """
    waited_s = _wait(question)
    callers = [stage.caller(Canary.LIMITED) for _ in range(_LINES)]
    each_sends = 2 * _PER_MINUTE // _LINES

    def burst(number: int) -> list[Heard]:
        # Admitted or not is decided before the body is looked at; an empty one saves nothing.
        return [callers[number]("POST", body={}) for _ in range(each_sends)]

    with ThreadPoolExecutor(_LINES, "burst") as threads:
        answers = [each for some in threads.map(burst, range(_LINES)) for each in some]
    refused = [each for each in answers if each.status == _TOO_MANY]
    passed = len(answers) - len(refused)
    log = Transcript()
    log.equal("exactly the limit passes", passed, _PER_MINUTE)
    codes = sorted({each.code for each in refused})
    log.equal("the others get the code", codes, [ErrorCode.RATE_LIMIT_EXCEEDED.value])
    waits = [each.headers.get("retry-after", "") for each in refused]
    log.check("each with a Retry-After of seconds", all(map(_is_wait, waits)), sorted(set(waits)))
    rows = stage.rows(answers)
    recorded = sum(
        row["error_code"] == ErrorCode.RATE_LIMIT_EXCEEDED.value for row in rows.values()
    )
    log.equal("each has its row", (len(rows), recorded), (len(answers), len(refused)))
    other = stage.caller()("GET", "?limit=1")
    log.equal("another agent is let in", other.status, OK)
    return log.found(
        f"{passed} of {len(answers)} passed, the limit is {_PER_MINUTE} a minute",
        f"a burst of POST {QUOTES} with an empty body as the canary that has a limit",
        sent=len(answers),
        passed=passed,
        refused=len(refused),
        limitPerMinute=_PER_MINUTE,
        waitedSeconds=round(waited_s),
    )


def _is_wait(written: str) -> bool:
    return written.isdigit() and 0 < int(written) <= _WINDOWS_S


def _wait(question: Question) -> float:
    """Waits until nothing counts of what this canary sent before; returns the seconds."""
    runtime = question.runtime
    now = runtime.clock.now()
    with runtime.read_pool.connection() as connection:
        found = connection.execute(_SINCE_LAST, [now, Canary.LIMITED.id, now]).fetchone()
    since_s = None if found is None else found[0]
    wait_s = 0.0 if since_s is None else max(_WINDOWS_S - since_s, 0.0)
    runtime.clock.sleep(wait_s)
    return wait_s
