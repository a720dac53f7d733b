"""
The house style, measured.

A number that no longer fits is a reason to look: each exception stands in `EXCEPTIONS` with its
reason, and one that is not needed any more fails too.
"""

import ast
import re
from collections.abc import Callable, Iterator
from functools import cache
from statistics import median, quantiles
from typing import Final

import pytest

from tests.house.sources import Function, Module, is_public, modules

pytestmark = pytest.mark.uncovered

BODY_LINES_MAX: Final = 40  # one screen beside its callers
MODULE_LINES_MAX: Final = 400  # one idea, type and rule and error together
MEDIAN_LINES_MAX: Final = 8
NINETIETH_LINES_MAX: Final = 25

CLOCK_MODULE: Final = "azoth.clocks"
CLOCKS: Final = {
    "datetime": {"now", "today", "utcnow"},
    "date": {"today"},
    "time": {
        f"{name}{unit}"
        for name in ("time", "monotonic", "perf_counter", "process_time", "thread_time")
        for unit in ("", "_ns")
    },
}
CLOCK_MARK: Final = re.compile(r"# clock: \w+ \w+")

EXCEPTIONS: Final[dict[str, str]] = {}
"""What may break a rule: `module:function` or `module`, and why."""


def long_functions() -> Iterator[str]:
    """
    A function body has at most 40 lines.
    """
    for module in modules():
        for name, node in module.functions():
            if body_lines(node) > BODY_LINES_MAX:
                yield name


def long_modules() -> Iterator[str]:
    """
    A module has at most 400 lines.
    """
    for module in modules():
        if len(module.text.splitlines()) > MODULE_LINES_MAX:
            yield module.name


def undocumented_names() -> Iterator[str]:
    """
    Every module, public class and public function has a docstring, its quotes on their own line.
    """
    for module in modules():
        if module.text.strip() and not is_docstring(module.tree):
            yield module.name
        for name, node in module.definitions():
            if needs_docstring(module, name, node) and not is_docstring(node):
                yield f"{module.name}:{name}"


def unannotated_functions() -> Iterator[str]:
    """
    Every parameter and every return value is annotated, of private functions too.
    """
    for module in modules():
        for name, node in module.functions():
            given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            bare = [a for a in given if a.annotation is None and a.arg not in {"self", "cls"}]
            if bare or node.returns is None:
                yield name


def readers_of_the_clock() -> Iterator[str]:
    """
    Only `azoth.clocks` reads the clock; elsewhere the line says `# clock:` and why.
    """
    for module in modules():
        lines = module.text.splitlines()
        for line in lines_that_read_the_clock(module.tree):
            if module.name != CLOCK_MODULE and not CLOCK_MARK.search(lines[line - 1]):
                yield f"{module.name}:{line}"


RULES: Final = (
    long_functions,
    long_modules,
    undocumented_names,
    unannotated_functions,
    readers_of_the_clock,
)


@cache
def broken_by(rule: Callable[[], Iterator[str]]) -> tuple[str, ...]:
    """
    Return what breaks a rule, looked for once.
    """
    return tuple(rule())


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_code_keeps_to_the_house_style(rule: Callable[[], Iterator[str]]) -> None:
    """
    Each rule is kept everywhere, save where `EXCEPTIONS` says why not.
    """
    broken = [name for name in broken_by(rule) if name not in EXCEPTIONS]

    assert broken == [], rule.__doc__


def test_no_exception_outlives_its_reason() -> None:
    """
    An exception that nothing needs is taken out of the table.
    """
    needed = {name for rule in RULES for name in broken_by(rule)}

    assert set(EXCEPTIONS) - needed == set()


def test_most_functions_are_short() -> None:
    """
    Half of all functions have at most 8 lines, nine in ten at most 25.
    """
    lengths = [body_lines(node) for module in modules() for _, node in module.functions()]

    assert median(lengths) <= MEDIAN_LINES_MAX
    assert quantiles(lengths, n=10)[-1] <= NINETIETH_LINES_MAX


def body_lines(node: Function) -> int:
    """
    Count the lines from the first statement after the docstring to the last.
    """
    body = node.body[1:] if ast.get_docstring(node) else node.body
    return (node.end_lineno or 0) - body[0].lineno + 1 if body else 0


def is_docstring(node: ast.Module | ast.ClassDef | Function) -> bool:
    """
    Say whether there is a docstring and its first line holds nothing but the quotes.
    """
    return (ast.get_docstring(node, clean=False) or "").startswith("\n")


def needs_docstring(module: Module, name: str, node: ast.ClassDef | Function) -> bool:
    """
    Say whether a name is promised: public itself, all its owners too, and no overload.
    """
    decorators = {ast.unparse(decorator) for decorator in node.decorator_list}
    redefines = any(d == "overload" or d.endswith((".setter", ".deleter")) for d in decorators)
    return (
        not module.is_private and is_public(name) and not redefines and not is_nested(module, name)
    )


def is_nested(module: Module, name: str) -> bool:
    """
    Say whether a definition stands inside a function, where nobody else can reach it.
    """
    inside = {other for other, node in module.definitions() if not isinstance(node, ast.ClassDef)}
    return any(name.startswith(f"{owner}.") for owner in inside)


def lines_that_read_the_clock(tree: ast.Module) -> Iterator[int]:
    """
    Yield where `time.monotonic`, `datetime.now` or one of their kind is named or imported.
    """
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id=owner) | ast.Attribute(attr=owner), attr=name):
                if name in CLOCKS.get(owner, ()):
                    yield node.lineno
            case ast.ImportFrom(module="time", names=names):
                if any(alias.name in CLOCKS["time"] for alias in names):
                    yield node.lineno
            case _:
                pass
