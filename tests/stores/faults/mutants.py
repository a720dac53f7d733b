"""
Stores broken on purpose: a method that does not find what it is for proves nothing.

Each mutant takes away one thing that a guarantee rests on, in the process that it is applied in.
"""

# ruff: noqa: ANN401 - a mutant stands where others stood, and takes what they took

import importlib
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from types import ModuleType
from typing import Any, Final, TypeAlias
from unittest.mock import patch

__all__ = ["apply_mutant", "mutated"]

Patches: TypeAlias = Iterator[Any]


def _module(name: str) -> ModuleType:
    return importlib.import_module(name)


def _without_syncs() -> Patches:
    """
    SQLite and LMDB leave it to the system when a commit reaches the disk.
    """
    connections, environment = (
        _module("azoth_sqlite.connections"),
        _module("azoth_lmdb.environment"),
    )
    pragmas = connections._pragmas
    yield patch.object(connections, "_pragmas", lambda o: [*pragmas(o), "synchronous = OFF"])
    yield patch.object(environment.lmdb, "open", partial(environment.lmdb.open, sync=False))


def _forgets_failed_syncs() -> Patches:
    """
    A store goes on after a failed sync.
    """
    for name in ("azoth_sqlite.faults", "azoth_lmdb.faults"):
        yield patch.object(_module(name).Faults, "check", lambda self: None)


def _without_checksums() -> Patches:
    """
    A checksum is the same for everything, when it is written and when it is compared.
    """
    records = _module("azoth.records")
    for name in ("crc_of_event", "crc_of_record"):
        original = getattr(records, name)
        users = [m for m in list(sys.modules.values()) if getattr(m, name, None) is original]
        yield from (patch.object(user, name, lambda *fields: 0) for user in users)


def _two_commits() -> Patches:
    """
    SQLite commits the events first, then the key and the checkpoint.
    """
    writer = _module("azoth_sqlite.writer")
    save = writer.save

    def torn(cursor: Any, draft: Any, state: Any) -> Any:
        rest, draft.keys, draft.checkpoints = (draft.keys, draft.checkpoints), {}, {}
        save(cursor, draft, state)
        cursor.execute("COMMIT")
        cursor.execute("BEGIN IMMEDIATE")
        draft.keys, draft.checkpoints = rest
        return save(cursor, draft, state)

    yield patch.object(writer, "save", torn)


def _acknowledges_early() -> Patches:
    """
    The writer is told that its batch is safe before the store has seen it.
    """
    children = _module("tests.stores.faults.children")
    appended = children.Writer._appended

    def boast(writer: Any, batch: Any) -> Any:
        writer._say("ack", batch.number)
        return appended(writer, batch)

    yield patch.object(children.Writer, "_appended", boast)


def _disk_is_full_for_nobody() -> Patches:
    """
    The engine's word for a full disk comes out as a failure.
    """
    for name in ("azoth_sqlite.faults", "azoth_lmdb.faults"):
        yield patch.object(_module(name), "StoreFull", _module("azoth.errors").StoreFailed)


_MUTANTS: Final[dict[str, Callable[[], Patches]]] = {
    "without syncs": _without_syncs,
    "forgets failed syncs": _forgets_failed_syncs,
    "without checksums": _without_checksums,
    "two commits": _two_commits,
    "acknowledges early": _acknowledges_early,
    "disk is full for nobody": _disk_is_full_for_nobody,
}


def apply_mutant(name: str | None) -> None:
    """
    Break this process for good, in the way that *name* says.
    """
    if name is not None:
        for each in list(_MUTANTS[name]()):
            each.start()


@contextmanager
def mutated(name: str) -> Generator[None, None, None]:
    """
    Break this process for a while.
    """
    with ExitStack() as stack:
        for each in list(_MUTANTS[name]()):
            stack.enter_context(each)
        yield
