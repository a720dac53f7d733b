"""
The page about what can be seen: its tables say what the code does, no more and no less.
"""

import ast
import re
from collections.abc import Iterator
from typing import Any, Final, get_args

import pytest
from attrs import fields

from azoth import OperationKind
from azoth_scheduler import Health
from azoth_scheduler.otel import OpenTelemetryObserver
from tests.house.sources import ROOT, Module, modules

pytestmark = pytest.mark.uncovered

PAGE: Final = ROOT / "docs" / "OBSERVABILITY.md"
LEVELS: Final = {"debug", "info", "warning", "error", "exception", "critical"}
LOGGERS: Final = re.compile(r"_log(ger)?", re.IGNORECASE)
PLACES: Final = re.compile(r"%[rsd]")


def rows(head: str) -> list[list[str]]:
    """
    The cells of the table whose first heading is *head*, without their marks.
    """
    lines = PAGE.read_text().splitlines()
    start = next(place for place, line in enumerate(lines) if line.startswith(f"| {head} |")) + 2
    found: list[list[str]] = []
    for line in lines[start:]:
        if not line.startswith("|"):
            break
        found.append([cell.strip().replace("`", "") for cell in line.strip("|").split("|")])
    return found


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    """
    The calls of a logger, each with its level.
    """
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id=owner), attr=level)):
                if level in LEVELS and LOGGERS.fullmatch(owner):
                    yield level, node
            case _:
                pass


def messages(module: Module) -> Iterator[tuple[str, str, str, str]]:
    """
    What a module logs: the logger, the level, the message and its fields.
    """
    named = re.search(r'getLogger\("(\w+)"\)', module.text)
    for level, call in calls(module.tree):
        text = call.args[0]
        assert isinstance(text, ast.Constant), f"{module.name} logs what is no constant"
        extra = next((word.value for word in call.keywords if word.arg == "extra"), None)
        given = ", ".join(sorted(keys(module, extra)))
        yield named[1] if named else "", level, PLACES.sub("…", str(text.value)), given


def keys(module: Module, extra: ast.expr | None) -> list[str]:
    """
    The keys of what is given as `extra`: a dict, a name that one was given, or a function's dict.
    """
    match extra:
        case None:
            return []
        case ast.Dict(keys=found):
            return [str(key.value) for key in found if isinstance(key, ast.Constant)]
        case ast.Name(id=name) | ast.Call(func=ast.Name(id=name)):
            return keys(module, next(values(module.tree, name)))
        case _:
            raise AssertionError(f"{module.name}: {ast.unparse(extra)} is no dict that can be read")


def values(tree: ast.Module, name: str) -> Iterator[ast.expr]:
    """
    What a name is given, or a function of that name returns.
    """
    for node in ast.walk(tree):
        match node:
            case ast.Assign(targets=[ast.Name(id=given)], value=value) if given == name:
                yield value
            case ast.FunctionDef(name=given, body=[*_, ast.Return(value=ast.expr() as value)]):
                if given == name:
                    yield value
            case _:
                pass


def test_each_message_is_in_the_table_and_each_row_in_the_code() -> None:
    """
    With its logger, its level and its fields.
    """
    logged = {message for module in modules() for message in messages(module)}

    assert logged == {tuple(row) for row in rows("logger")}


def test_each_field_of_health_is_in_the_table() -> None:
    """
    And nothing else.
    """
    told = [name for row in rows("field") for name in row[0].split(", ")]

    assert sorted(told) == sorted(field.name for field in fields(Health))


def test_each_operation_is_in_the_table() -> None:
    """
    And nothing else.
    """
    assert [row[0] for row in rows("operation")] == list(get_args(OperationKind))


class Meter:
    """
    Write down which instruments are made.
    """

    def __init__(self) -> None:
        self.made: list[list[str]] = []

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - a double of any method
        kind = name.removeprefix("create_")

        def create(instrument: str, unit: str, description: str) -> "Instrument":
            self.made.append([instrument, kind, unit])
            return Instrument()

        return create


class Instrument:
    """
    Be of any kind.
    """


def test_each_metric_is_in_the_table() -> None:
    """
    With its kind and its unit.
    """
    meter: Any = Meter()
    OpenTelemetryObserver(meter=meter)

    assert meter.made == [row[:3] for row in rows("metric")]


def test_the_readme_leads_to_the_page() -> None:
    """
    Nobody looks into a folder of documents first.
    """
    assert "(docs/OBSERVABILITY.md)" in (ROOT / "README.md").read_text()
