"""What state a rule is in, from what it was, what was measured and what time it is; pure.

                       ┌──────────── true again ────────────┐
                       ▼                                    │
    inactive ──true──▶ pending ──true for `hold`──▶ firing ──false for `keep`──▶ resolved
       ▲                  │                           ▲                              │
       ├──────false───────┘                           │ unknown for `no_data_after`  │
       ├◀─────────────── after a while ───────────────┼──────────────────────────────┘
       └──known and false── unknown ──────────────────┘

From every state but firing, numbers that cannot be known lead to unknown. A rule that fires goes on
doing so while there are none: nothing says that it is over. After an hour it ends and says why, so
that nobody is called all night to what happened before closing time; not where the numbers could
not be read, nor of what is watched, nor of missing numbers themselves. Few that are not bad do say
that it is over. A share
that is above its threshold does not, though chance might explain it: firing takes proof, and so
does being over. A rule that fires for want of numbers is resolved as soon as there are some, and
begins anew if they are bad.

A clock that was set back makes what is remembered lie in the future; it is then taken to be of now,
so that a hold begins anew and nothing waits for the clock to catch up.

Of attempts that do not come it depends on how many are usual whether that is an alert; see
`engine.alerting.usual`. What cannot be read, and what is watched, is one after that time whatever
else there is.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from engine.alerting.durations import tell_duration
from engine.alerting.rules import Rule, Share, Standstill
from engine.alerting.states import Decision, Measured, Memory, RuleState
from engine.alerting.usual import LONGEST, Usual

# How long a resolved rule is shown as such; whoever was called to it finds what it was.
SHOWN_RESOLVED: Final = timedelta(minutes=15)
# How long a rule fires on without any attempts. Somebody has been told, and when they come back it
# is looked at anew; that none come is for the rule about that to say.
GIVEN_UP_AFTER: Final = timedelta(hours=1)


def evaluate(rule: Rule, measured: Measured, memory: Memory | None, now: datetime) -> Decision:
    """Decides what a rule is in.

    Args:
        rule: which.
        measured: what its condition came to.
        memory: what was remembered of it; None when it is looked at for the first time.
        now: the instant of the look.
    """
    before = _not_after(memory, now) if memory else Memory(RuleState.INACTIVE, now)
    if measured.is_true is None and not _is_telling(before, measured):
        after, why = _unknown(rule, measured, before, now, is_first=memory is None)
    elif before.is_no_data:
        after, why = _back(before, measured, now)
    elif measured.is_true:
        after, why = _true(rule, before, now)
    else:
        after, why = _false(rule, before, now, is_above=bool(measured.is_above))
    is_new = after.state is not before.state
    since = now if is_new else before.since
    after = replace(after, since=since, is_unread=not measured.is_read)
    if after.state not in _WITH_ALERT or _begins(before, after):
        after = replace(after, alert_id=None)
    return Decision(after, f"{measured.reason} {why}".strip(), is_new)


def silent_since(rule: Rule, memory: Memory | None, now: datetime) -> datetime | None:
    """Since when nothing has come, if that is so long that it matters how many are usual.

    Args:
        rule: which.
        memory: what was remembered of it.
        now: the instant of the look.

    Returns:
        None if that need not be known.
    """
    if memory is None or memory.state is RuleState.FIRING or not isinstance(rule.condition, Share):
        return None
    since = memory.unknown_since
    if since is None or rule.no_data_after is None or now - since < rule.no_data_after:
        return None
    return since


_WITH_ALERT: Final = frozenset({RuleState.FIRING, RuleState.RESOLVED})


def _is_telling(before: Memory, measured: Measured) -> bool:
    """Whether few attempts, which would make nothing good, say whether an alert goes on."""
    return before.state is RuleState.FIRING and measured.is_above is not None


def _begins(before: Memory, after: Memory) -> bool:
    return after.state is RuleState.FIRING and before.state is not RuleState.FIRING


def _true(rule: Rule, before: Memory, now: datetime) -> tuple[Memory, str]:
    true_since = before.true_since or now
    after = replace(before, true_since=true_since, last_true=now, unknown_since=None)
    if before.state is RuleState.FIRING:
        return after, ""
    held = now - true_since
    if held >= rule.hold:
        return replace(after, state=RuleState.FIRING), ""
    why = f"It is so for {tell_duration(held)}, and fires after {tell_duration(rule.hold)}."
    return replace(after, state=RuleState.PENDING), why


def _false(rule: Rule, before: Memory, now: datetime, *, is_above: bool) -> tuple[Memory, str]:
    after = replace(before, true_since=None, unknown_since=None)
    match before.state:
        case RuleState.FIRING if is_above:
            return replace(after, last_true=now), "It goes on firing: it is not over either."
        case RuleState.FIRING:
            over = now - (before.last_true or before.since)
            if over < rule.keep:
                why = f"It goes on firing until it has been over for {tell_duration(rule.keep)}."
                return after, why
            return replace(after, state=RuleState.RESOLVED), ""
        case RuleState.RESOLVED if now - before.since < SHOWN_RESOLVED:
            return after, ""
        case _:
            return replace(after, state=RuleState.INACTIVE), ""


def _unknown(
    rule: Rule, measured: Measured, before: Memory, now: datetime, *, is_first: bool
) -> tuple[Memory, str]:
    was_known = not is_first and (
        before.state is not RuleState.UNKNOWN or before.unknown_since is not None
    )
    unknown_since = (before.unknown_since or now) if was_known else None
    if unknown_since and _is_blind_now(before, measured):
        unknown_since = now
    after = replace(before, true_since=None, unknown_since=unknown_since)
    if before.state is RuleState.FIRING:
        return _unknown_while_firing(rule, after, now, is_read=measured.is_read)
    missing = now - unknown_since if unknown_since else None
    if missing is None or rule.no_data_after is None or missing < rule.no_data_after:
        return replace(after, state=RuleState.UNKNOWN), ""
    fires = replace(after, state=RuleState.FIRING, is_no_data=True)
    told = f"Nothing has been known for {tell_duration(missing)}"
    if not measured.is_read or not isinstance(rule.condition, Share):
        return fires, f"{told}."
    if measured.is_above is not None:
        # Some have come; too few to say anything, but nobody is missed.
        return replace(after, state=RuleState.UNKNOWN), ""
    is_missed = measured.usual is not None and measured.usual.is_meaningful
    why = f"{told}{_tell_usual(measured.usual, missing)}"
    return (fires if is_missed else replace(after, state=RuleState.UNKNOWN)), why


def _is_blind_now(before: Memory, measured: Measured) -> bool:
    """Whether there were no numbers before, and now they cannot be read.

    That no number can be read is not usual at any hour; but it is so only from now on.
    """
    is_empty = before.state is not RuleState.FIRING and not before.is_unread
    return is_empty and not measured.is_read


def _tell_usual(usual: Usual | None, missing: timedelta) -> str:
    """The rest of a sentence that says for how long nothing has been known."""
    if usual is None:
        return "; what is usual could not be read."
    if usual.attempts is None:
        return "; what is usual is known after a day of attempts."
    where = "in which" if missing <= LONGEST else f"in the last {tell_duration(LONGEST)} of which"
    attempts = "1 attempt is" if usual.attempts == 1 else f"{usual.attempts:,} attempts are"
    told = f", {where} {attempts} usual"
    return f"{told}." if usual.is_meaningful else f"{told}: so few say nothing."


def _unknown_while_firing(
    rule: Rule, firing: Memory, now: datetime, *, is_read: bool
) -> tuple[Memory, str]:
    missing, allowed = now - (firing.unknown_since or now), rule.no_data_after
    if firing.is_no_data and (allowed is None or missing < allowed):
        # The rule was changed meanwhile.
        over = replace(firing, state=RuleState.RESOLVED, is_no_data=False)
        if allowed is None:
            return over, "It ends: here missing numbers are no alert any more."
        return over, f"It ends: here numbers may be missing for {tell_duration(allowed)} now."
    is_about_absence = firing.is_no_data or isinstance(rule.condition, Standstill)
    if is_about_absence or not is_read or missing < GIVEN_UP_AFTER:
        return firing, "It goes on firing: nothing says that it is over."
    over = replace(firing, state=RuleState.RESOLVED)
    return over, f"It ends: nothing has been known for {tell_duration(missing)}, good or bad."


def _back(before: Memory, measured: Measured, now: datetime) -> tuple[Memory, str]:
    """Its numbers are known again: that alert is over, whatever they say."""
    after = replace(
        before,
        state=RuleState.RESOLVED,
        true_since=now if measured.is_true else None,
        last_true=now if measured.is_true else before.last_true,
        unknown_since=None,
        is_no_data=False,
    )
    return after, "Its numbers are known again."


def _not_after(memory: Memory, now: datetime) -> Memory:
    """The same with nothing in the future."""
    return replace(
        memory,
        since=min(memory.since, now),
        true_since=memory.true_since and min(memory.true_since, now),
        last_true=memory.last_true and min(memory.last_true, now),
        unknown_since=memory.unknown_since and min(memory.unknown_since, now),
    )
