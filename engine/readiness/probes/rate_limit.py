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
    SELECT agent_id, extract(epoch FROM %(now)s - max(started_at))::float8
    FROM attempt
    WHERE agent_id = ANY(%(agents)s) AND started_at > %(now)s - INTERVAL '5 minutes'
    GROUP BY agent_id
"""
_LIMITED: Final = (Canary.LIMITED_1, Canary.LIMITED_2, Canary.LIMITED_3)
_PER_MINUTE: Final = int(Canary.LIMITED_1.value.rate_limit_per_minute or 0)


@over_http(*_LIMITED)
def ratelimit(question: Question, stage: Stage) -> Found:
    """`sec.ratelimit`: of twice the limit exactly the limit passes; another agent notices nothing.

    A fourth look within two minutes waits until nothing of the first one counts any more.
    """
    canary, wait_s = _idlest(question)
    question.runtime.clock.sleep(wait_s)
    callers = [stage.caller(canary) for _ in range(_LINES)]
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
        waitedSeconds=round(wait_s),
    )


def _is_wait(written: str) -> bool:
    return written.isdigit() and 0 < int(written) <= _WINDOWS_S


def _idlest(question: Question) -> tuple[Canary, float]:
    """The canary that has been silent for the longest, and seconds until nothing of it counts."""
    runtime = question.runtime
    values = {"now": runtime.clock.now(), "agents": [each.id for each in _LIMITED]}
    with runtime.read_pool.connection() as connection:
        since_s = dict(connection.execute(_SINCE_LAST, values).fetchall())
    waits_s = {each: max(_WINDOWS_S - since_s.get(each.id, _WINDOWS_S), 0.0) for each in _LIMITED}
    return min(waits_s.items(), key=lambda each: each[1])
