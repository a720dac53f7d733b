"""
Spans and metrics of OpenTelemetry: made by the interface, read back from the kit's memory.
"""

import importlib
import sys
from collections.abc import Mapping
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from azoth_scheduler import otel
from azoth_scheduler.otel import DURATION, EVENTS, OPEN, OpenTelemetryObserver
from tests.support.stage import Stage, acts, fails, request


class Telemetry:
    """
    Be a program's providers, which keep everything in memory.
    """

    def __init__(self) -> None:
        self.exporter, self.reader = InMemorySpanExporter(), InMemoryMetricReader()
        self.tracers = TracerProvider(shutdown_on_exit=False)
        self.tracers.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.meters = MeterProvider([self.reader], shutdown_on_exit=False)

    def observer(self) -> OpenTelemetryObserver:
        """
        An observer that reports here, at one second after 1970.
        """
        tracer, meter = self.tracers.get_tracer("test"), self.meters.get_meter("test")
        return OpenTelemetryObserver(tracer, meter, now_ns=lambda: 1_000_000_000)

    def spans(self, name: str) -> list[ReadableSpan]:
        """
        The spans of a name.
        """
        return [span for span in self.exporter.get_finished_spans() if span.name == name]

    def points(self, name: str) -> list[tuple[Mapping[str, Any], Any]]:
        """
        The points of a metric, each with its attributes.
        """
        data = self.reader.get_metrics_data()
        assert data is not None
        return [
            (dict(point.attributes or {}), point)
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
        ]


def test_operations_become_spans_and_metrics(stage: Stage) -> None:
    """
    A span for each that did something; a histogram of all, by operation and outcome.
    """
    telemetry = Telemetry()
    scheduler = stage.scheduler(acts(task_type="good"), fails(), observers=[telemetry.observer()])
    scheduler.schedule_tasks([request("a", task_type="good"), request("b")])
    scheduler.run_pending()

    good, bad = telemetry.spans("azoth.run")
    claim = telemetry.spans("azoth.claim")[0]
    durations = [said for said, _ in telemetry.points(DURATION)]
    counted = {said["operation"]: point.value for said, point in telemetry.points(EVENTS)}
    still_open = {point.value for _, point in telemetry.points(OPEN)}

    assert (good.attributes or {})["azoth.task_id"] == "a"
    assert (good.attributes or {})["azoth.outcome"] == "succeeded"
    assert (good.status.is_ok, bad.status.is_ok) == (True, False)
    assert bad.status.description == "failed"
    assert good.end_time == 1_000_000_000
    assert (claim.attributes or {})["azoth.attempts"] == 1
    assert {"operation": "run", "outcome": "failed"} in durations
    assert (counted["append"], counted["claim"]) == (stage.head(), 2)
    assert still_open == {0}


def test_looking_that_finds_nothing_leaves_no_span(stage: Stage) -> None:
    """
    A scheduler looks once a second, and nobody reads that.
    """
    telemetry = Telemetry()
    scheduler = stage.scheduler(acts(), observers=[telemetry.observer()])
    for _ in range(3):
        scheduler.step()

    assert telemetry.exporter.get_finished_spans() == ()
    assert {"operation": "catch_up", "outcome": "ok"} in [
        said for said, _ in telemetry.points(DURATION)
    ]


def test_without_providers_it_does_nothing(stage: Stage) -> None:
    """
    The interface alone is installed with the extra.
    """
    scheduler = stage.scheduler(acts(), observers=[OpenTelemetryObserver()])
    scheduler.schedule_task(request("a"))
    scheduler.run_pending()

    assert scheduler.list_tasks()[0].totals.succeeded == 1


def test_without_the_extra_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    One sentence, at the import.
    """
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    monkeypatch.delitem(sys.modules, otel.__name__)

    with pytest.raises(ModuleNotFoundError, match=r"pip install 'azoth-scheduler\[otel\]'"):
        importlib.import_module(otel.__name__)
