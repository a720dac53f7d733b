"""
The source files of the packages, parsed once, as the tests of the house read them.
"""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final, TypeAlias

from attrs import frozen

ROOT: Final = Path(__file__).parents[2]
FOLDERS: Final = (ROOT, ROOT / "stores")

# What may hold a definition; to look into expressions takes most of the time of these tests.
_WITH_A_BODY: Final = (ast.stmt, ast.ExceptHandler, ast.match_case)

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef
Definition: TypeAlias = Function | ast.ClassDef


@frozen
class Module:
    """
    Hold one module: its dotted name, its text and its tree.
    """

    name: str
    path: Path
    text: str
    tree: ast.Module

    @property
    def is_private(self) -> bool:
        """
        Say whether a part of the name keeps the module out of what is promised.
        """
        return any(part.startswith("_") for part in self.name.split("."))

    @property
    def is_package(self) -> bool:
        """
        Say whether the module is a package's `__init__`.
        """
        return self.path.name == "__init__.py"

    def definitions(self) -> Iterator[tuple[str, Definition]]:
        """
        Yield every class and function with its dotted name, nested ones after their owner.
        """
        yield from _definitions(self.tree, "")

    def functions(self) -> Iterator[tuple[str, Function]]:
        """
        Yield every function and method, `module:Class.method` first.
        """
        for name, node in self.definitions():
            if not isinstance(node, ast.ClassDef):
                yield f"{self.name}:{name}", node


def _definitions(owner: ast.AST, prefix: str) -> Iterator[tuple[str, Definition]]:
    for node in ast.iter_child_nodes(owner):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield prefix + node.name, node
            yield from _definitions(node, f"{prefix}{node.name}.")
        elif isinstance(node, _WITH_A_BODY):
            yield from _definitions(node, prefix)


@cache
def modules() -> tuple[Module, ...]:
    """
    Return every module that the wheel carries, in the order of their names.
    """
    found = [
        _parse(folder, path)
        for folder in FOLDERS
        for package in sorted(folder.glob("azoth*/__init__.py"))
        for path in package.parent.rglob("*.py")
    ]
    return tuple(sorted(found, key=lambda module: module.name))


def _parse(folder: Path, path: Path) -> Module:
    parts = path.relative_to(folder).with_suffix("").parts
    text = path.read_text()
    name = ".".join(part for part in parts if part != "__init__")
    return Module(name, path, text, ast.parse(text))


def is_public(dotted: str) -> bool:
    """
    Say whether no part of a dotted name begins with an underscore.
    """
    return not any(part.startswith("_") for part in dotted.split("."))
