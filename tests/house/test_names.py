"""
Names, not paths, are the promise: what a package exports exists, is documented and is complete.
"""

import ast
import re
from collections.abc import Iterator
from importlib import import_module
from typing import Final

import pytest

from azoth.errors import AzothError
from tests.house.sources import Module, is_public, modules

pytestmark = pytest.mark.uncovered

PACKAGES: Final = [module for module in modules() if module.is_package and not module.is_private]
PROMISED: Final = [
    module for module in modules() if not module.is_package and not module.is_private
]


@pytest.mark.parametrize("module", [*PACKAGES, *PROMISED], ids=lambda module: module.name)
def test_all_is_sorted_and_each_name_exists(module: Module) -> None:
    """
    `__all__` is sorted, constants before classes before functions, and names nothing invented.
    """
    names = exported(module)
    loaded = import_module(module.name)

    assert names == sorted(set(names), key=kind_and_name)
    assert [name for name in names if not hasattr(loaded, name)] == []


@pytest.mark.parametrize("module", PROMISED, ids=lambda module: module.name)
def test_all_names_what_the_module_defines(module: Module) -> None:
    """
    A promised module exports what it defines, and beyond that only what it gives a public home.
    """
    names = set(exported(module))

    assert set(defined(module)) - names == set()
    assert names - set(defined(module)) - set(_imported_from_private(module.tree)) == set()


@pytest.mark.parametrize("package", PACKAGES, ids=lambda module: module.name)
def test_a_package_re_exports_what_its_modules_promise(package: Module) -> None:
    """
    Each name of a package comes from a module that has it in its own `__all__`.
    """
    below = [m for m in modules() if m.name.startswith(f"{package.name}.")]
    promised = {name for module in below for name in exported(module)}

    assert set(exported(package)) - set(defined(package)) - promised == set()


@pytest.mark.parametrize("module", PROMISED, ids=lambda module: module.name)
def test_each_constant_and_alias_is_documented(module: Module) -> None:
    """
    A string follows each public constant, alias and new type and says what it is.
    """
    documented = set(_documented(module.tree))
    assigned = {name for name in _assigned(module.tree) if name in exported(module)}

    assert assigned - documented == set()


def exported(module: Module) -> list[str]:
    """
    Return the names of `__all__`, read from the source; none where there is no such list.
    """
    for node in module.tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id="__all__")], value=value):
                return list(ast.literal_eval(value))
            case ast.AnnAssign(target=ast.Name(id="__all__"), value=ast.expr() as value):
                return list(ast.literal_eval(value))
            case _:
                pass
    return []


def defined(module: Module) -> list[str]:
    """
    Return the public names that a module defines at its top level.
    """
    kinds = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    definitions = [node.name for node in module.tree.body if isinstance(node, kinds)]
    return [name for name in [*definitions, *_assigned(module.tree)] if is_public(name)]


def kind_and_name(name: str) -> tuple[int, str]:
    """
    Return the key that `__all__` is sorted by: CONSTANTS, then Classes, then functions.
    """
    if re.fullmatch(r"[A-Z][A-Z0-9_]+", name):
        return 0, name
    return (1 if name[0].isupper() else 2), name


def _imported_from_private(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and not is_public(node.module or ""):
            yield from (alias.asname or alias.name for alias in node.names)


def _assigned(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        match node:
            case ast.Assign(value=ast.Call(func=ast.Name(id="TypeVar" | "ParamSpec"))):
                pass
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                yield name
            case _:
                pass


def _documented(tree: ast.Module) -> Iterator[str]:
    for node, following in zip(tree.body, tree.body[1:], strict=False):
        match node, following:
            case (
                ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str())),
            ):
                yield name
            case _:
                pass


def errors_of(root: type[AzothError]) -> Iterator[type[AzothError]]:
    """
    Yield an error and all below it, ours alone.
    """
    yield root
    for below in root.__subclasses__():
        yield from errors_of(below)


def test_each_error_has_fields_by_which_it_is_pickled() -> None:
    """
    The root pickles by the fields of attrs, so an error with an `__init__` of its own cannot be.
    """
    for module in PROMISED:
        import_module(module.name)
    ours = [error for error in errors_of(AzothError) if error.__module__.startswith("azoth")]

    assert len(ours) > 30
    by_hand = [
        one for one in ours if "__init__" in vars(one) and "__attrs_attrs__" not in vars(one)
    ]
    assert by_hand == []
