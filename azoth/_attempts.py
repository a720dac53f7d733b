"""
One handler at one event: attempts, until it succeeds or its policy has another idea.
"""

from collections.abc import Sequence
from logging import getLogger
from typing import Final

from azoth._outbox import Outbox
from azoth.appending import check_append
from azoth.events import Event, Write
from azoth.following import Stop
from azoth.handlers import EventHandler, react
from azoth.policies import Again, Bury, ErrorPolicy, Failure, Pass, StopProcessor

__all__ = ["LOST_MAX", "attempt"]

LOST_MAX: Final = 10
"""Races that a handler's writes may lose in a row before its policy is asked."""

_log = getLogger("azoth")


def attempt(
    handler: EventHandler,
    event: Event,
    policy: ErrorPolicy,
    *,
    stop: Stop,
    outbox: Outbox,
    lost: Failure | None = None,
) -> Sequence[Write] | Failure | None:
    """
    Run *handler* until it succeeds, or as *policy* says.

    Args:
        handler: What runs.
        event: What it runs for.
        policy: What is asked after each failure.
        stop: Ends the wait before the next attempt.
        outbox: What other handlers of the event returned; its writes must fit to these.
        lost: The races that its writes have lost so far.

    Returns:
        Its writes; the failure to bury; or None if it was stopped on the way.

    Raises:
        Exception: What the handler raised, if the policy says so.
        TypeError: The policy returned no action.
    """
    number = 0 if lost is None else lost.attempt
    failure = lost if number and number % LOST_MAX == 0 else None
    while True:
        if failure is None:
            number += 1
            outcome = _once(handler, event, number, outbox)
            if not isinstance(outcome, Failure):
                return outcome
            failure = outcome
        match policy(failure):
            case StopProcessor():
                failure.error.add_note(_describe(failure))
                raise failure.error
            case Pass():
                _log.warning("event skipped: %s", _describe(failure), extra=_fields(failure))
                return ()
            case Bury():
                _log.warning("event buried: %s", _describe(failure), extra=_fields(failure))
                return failure
            case Again(delay):
                if stop.wait(delay / 1_000_000):
                    return None
                failure = None
            case junk:  # pyright: ignore[reportUnnecessaryComparison]
                raise TypeError(f"the error policy returned {junk!r}; return an Action")


def _once(
    handler: EventHandler, event: Event, number: int, outbox: Outbox
) -> Sequence[Write] | Failure:
    try:
        writes = react(handler, event)
        _check(writes, outbox)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a handler raises
        return Failure(event=event, handler=handler.name, attempt=number, error=error)
    return writes


def _check(writes: Sequence[Write], outbox: Outbox) -> None:
    if not writes:
        return
    own = Outbox()
    own.add(writes)
    check_append(own.writes, None, None)
    outbox.check(writes)


def _describe(failure: Failure) -> str:
    event, error = failure.event, failure.error
    return (
        f"handler {failure.handler!r} failed at position {event.position} ({event.type!r}), "
        f"attempt {failure.attempt}: {type(error).__name__}"
    )


def _fields(failure: Failure) -> dict[str, object]:
    return {
        "handler": failure.handler,
        "position": failure.event.position,
        "event_type": failure.event.type,
        "attempt": failure.attempt,
    }
