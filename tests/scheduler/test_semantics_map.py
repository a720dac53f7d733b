"""
What the scheduler means is a list of rules, and each of them names the tests that prove it.
"""

import ast
import tomllib
from collections.abc import Iterator
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import pytest

from tests.house.sources import ROOT

pytestmark = pytest.mark.uncovered

MAP: Final = Path(__file__).with_name("semantics.toml")
SECTIONS: Final = (
    *("CRON", "TIME", "RUN", "RETRY", "MISS", "STATUS", "CHANGE", "WORK", "END", "LIMIT"),
    *("S", "R", "C", "L"),
)
RULES: Final[dict[str, dict[str, Any]]] = tomllib.loads(MAP.read_text())


def broken(rules: dict[str, dict[str, Any]]) -> Iterator[str]:
    """
    Yield what is wrong with a list of rules, each with its id.
    """
    for rule, row in rules.items():
        if row.keys() != {"rule", "tests"} or not row["rule"]:
            yield f"{rule}: a row says a rule and its tests, and nothing else"
        if not row.get("tests"):
            yield f"{rule}: no test"
        yield from (
            f"{rule}: {test} does not exist" for test in row.get("tests", ()) if not exists(test)
        )
    sections = [(name, list(ids)) for name, ids in groupby(rules, lambda rule: rule.split("-")[0])]
    if tuple(name for name, _ in sections) != SECTIONS:
        yield f"sections are {[name for name, _ in sections]}"
    for name, ids in sections:
        if ids != [f"{name}-{number}" for number in range(1, len(ids) + 1)]:
            yield f"{name}: a number is missing or out of order: {ids}"


def exists(test: str) -> bool:
    """
    Say whether a test exists: `path::name` or `path::Class::name`.
    """
    path, _, name = test.partition("::")
    file = ROOT / path if "/" in path else MAP.with_name(path)
    return file.is_file() and name in names_in(file)


@cache
def names_in(file: Path) -> frozenset[str]:
    """
    Return the tests of a file, those of a class with and without its name; nothing is run.
    """
    return frozenset(_names(ast.parse(file.read_text()).body, ""))


def _names(body: list[ast.stmt], owner: str) -> Iterator[str]:
    for node in body:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                if name.startswith("test_"):
                    yield from (name, f"{owner}{name}")
            case ast.ClassDef(name=name, body=inside):
                yield from _names(inside, f"{name}::")
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Attribute(attr="TestCase")):
                # A state machine of Hypothesis, as pytest collects it.
                yield name
            case _:
                pass


def test_each_rule_names_tests_that_exist() -> None:
    """
    None without a test, no number left out, no name that is gone.
    """
    assert list(broken(RULES)) == []


@pytest.mark.parametrize(
    ("rule", "row", "said"),
    [
        ("L-5", {"rule": "a rule", "tests": []}, "L-5: no test"),
        ("L-5", {"rule": "a rule"}, "nothing else"),
        ("L-5", {"rule": "", "tests": ["test_plan.py::test_nothing_gathered"]}, "nothing else"),
        ("L-5", {"rule": "a rule", "tests": ["test_plan.py::test_gone"]}, "test_gone does not"),
        ("L-5", {"rule": "a rule", "tests": ["test_gone.py::test_x"]}, "test_x does not exist"),
        ("L-6", {"rule": "a rule", "tests": ["test_plan.py::test_x"]}, "L: a number is missing"),
        ("NEW-1", {"rule": "a rule", "tests": ["test_plan.py::test_x"]}, "sections are"),
    ],
)
def test_a_list_with_a_hole_is_found(rule: str, row: dict[str, Any], said: str) -> None:
    """
    Or the test above would prove nothing.
    """
    assert any(said in one for one in broken({**RULES, rule: row}))
