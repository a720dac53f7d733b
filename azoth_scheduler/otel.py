"""
An observer that makes spans and metrics of OpenTelemetry; the extra `otel` installs its interface.

Only the interface is used: without a provider that the program sets up, all of it does nothing.
"""

from collections.abc import Callable
from time import time_ns  # clock: a span's times are the system's, whatever clock a test moves
from typing import Final

from azoth.observing import Operation, OperationEnd

try:
    from opentelemetry import metrics, trace
    from opentelemetry.trace import Status, StatusCode
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f"azoth_scheduler.otel needs {error.name}; run: pip install 'azoth-scheduler[otel]'",
        name=error.name,
    ) from error

__all__ = ["DURATION", "EVENTS", "OPEN", "OpenTelemetryObserver"]

DURATION: Final = "azoth.duration"
"""A histogram of microseconds, by `operation` and `outcome`."""

EVENTS: Final = "azoth.count"
"""A counter of what operations came to, events or attempts, by `operation`."""

OPEN: Final = "azoth.open"
"""How many operations go on, by `operation`."""

_SCOPE: Final = "azoth_scheduler"
_GOOD: Final = ("ok", "succeeded", "snoozed", "discarded", "cancelled")


class OpenTelemetryObserver:
    """
    Make a span of each operation, named `azoth.append` and so on, and three metrics of all.

    A catch-up or a read that finds nothing leaves no span: a scheduler looks once a second. Spans
    of a run do not stand around what its handler traces, for it may run in another process; they
    have `run_id` and `execution_id` to be found by.

    Args:
        tracer: Makes the spans; None for the program's own provider.
        meter: Makes the metrics, likewise.
        now_ns: Tells the time in nanoseconds since 1970.
    """

    def __init__(
        self,
        tracer: "trace.Tracer | None" = None,
        meter: "metrics.Meter | None" = None,
        *,
        now_ns: Callable[[], int] = time_ns,
    ) -> None:
        self._tracer = tracer or trace.get_tracer(_SCOPE)
        meter = meter or metrics.get_meter(_SCOPE)
        self._now_ns = now_ns
        self._duration = meter.create_histogram(DURATION, "us", "How long operations take.")
        self._events = meter.create_counter(EVENTS, "1", "Events and attempts of operations.")
        self._open = meter.create_up_down_counter(OPEN, "1", "Operations that go on.")

    def started(self, operation: Operation) -> None:
        """
        Count it as open.
        """
        self._open.add(1, {"operation": operation.kind})

    def ended(self, operation: Operation, outcome: OperationEnd) -> None:
        """
        Make its span, and record how long it took.
        """
        kind = {"operation": operation.kind}
        self._open.add(-1, kind)
        self._duration.record(outcome.duration, {**kind, "outcome": outcome.name})
        if outcome.count:
            self._events.add(outcome.count, kind)
        if outcome.count or outcome.name != "ok" or operation.kind == "run":
            self._trace(operation, outcome)

    def _trace(self, operation: Operation, outcome: OperationEnd) -> None:
        end = self._now_ns()
        attributes = {f"azoth.{name}": value for name, value in operation.attributes.items()}
        attributes |= {"azoth.outcome": outcome.name, "azoth.count": outcome.count}
        span = self._tracer.start_span(
            f"azoth.{operation.kind}",
            attributes=attributes,
            start_time=end - 1_000 * outcome.duration,
        )
        if outcome.name not in _GOOD:
            span.set_status(Status(StatusCode.ERROR, outcome.name))
        span.end(end_time=end)
