"""
A disk that loses power: what may be on it afterwards, given what was done and what was synced.

Of a file, what it held at its last sync is there. Of everything later, each sector of 512 bytes is
there or is not, in any combination: so writes are lost, torn and reordered. A sector that was never
written within the file holds zeros or rubbish. Names are like the journal of a file system keeps
them: a folder's sync makes them safe, and of the later changes the first few, in order, may be.
"""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from random import Random
from typing import Final, TypeAlias

from attrs import define, field

from tests.stores.faults.recording import Made, Moved, Op, Removed, Resized, Said, Synced, Wrote

__all__ = ["SECTOR_BYTES", "Disk", "Image"]

SECTOR_BYTES: Final = 512
"""What a disk writes whole or not at all."""

Image: TypeAlias = dict[Path, bytes | None]
"""Each name with its content; None for a folder."""


@define(eq=False)
class _File:
    safe: bytearray = field(factory=bytearray)
    later: list[Wrote | Resized] = field(factory=list)

    def sync(self) -> None:
        for op in self.later:
            _apply(self.safe, op)
        self.later.clear()

    def survivor(self, rng: Random, keep: Callable[[], bool]) -> bytes:
        content = bytearray(self.safe)
        rubbish = rng.random() < 0.25
        for op in self.later:
            for part in _sectors(op):
                if keep() or _is_kept(op):
                    _apply(content, part)
                elif rubbish and isinstance(part, Wrote) and part.offset >= len(content):
                    _apply(content, Wrote(part.path, part.offset, rng.randbytes(len(part.data))))
        return bytes(content)


_Names: TypeAlias = dict[Path, _File | None]
_NameOp: TypeAlias = Made | Moved | Removed


class Disk:
    """
    Take what a process does, and tell what may be left of it at any moment.
    """

    def __init__(self) -> None:
        self._names: _Names = {}
        self._safe: _Names = {}
        self._later: list[tuple[_NameOp, _File | None]] = []

    def do(self, op: Op) -> None:
        """
        Do what the process did.
        """
        match op:
            case Wrote(path) | Resized(path):
                self._file(path).later.append(op)
            case Synced(path):
                self._sync(path)
            case Made(_, folder):
                self._rename(op, None if folder else _File())
            case Moved() | Removed():
                self._rename(op, None)
            case Said():
                pass

    def after_power_cut(self, rng: Random) -> Image:
        """
        Return one of the states that the disk may be in when the power is back.
        """
        names = dict(self._safe)
        for op, file in self._later[: rng.randint(0, len(self._later))]:
            _change(names, op, file)
        keep = _taste(rng)
        return {
            path: None if file is None else file.survivor(rng, keep) for path, file in names.items()
        }

    def _file(self, path: Path) -> _File:
        file = self._names.get(path)
        assert file is not None, f"{path} was never made"
        return file

    def _rename(self, op: _NameOp, file: _File | None) -> None:
        _change(self._names, op, file)
        self._later.append((op, file))

    def _sync(self, path: Path) -> None:
        file = self._names.get(path)
        if file is not None:
            file.sync()
            return
        # All up to the last change in this folder: a journal keeps them in order.
        last = max((n for n, (op, _) in enumerate(self._later) if path in _folders(op)), default=-1)
        for op, file in self._later[: last + 1]:
            _change(self._safe, op, file)
        del self._later[: last + 1]


def _taste(rng: Random) -> Callable[[], bool]:
    share = rng.choice((0.0, 0.1, 0.5, 0.9, 1.0))
    if rng.random() < 0.3:
        # As they came, up to some moment: the last one may be torn.
        left = iter(range(rng.randint(0, 200)))
        return lambda: next(left, None) is not None
    return lambda: rng.random() < share


def _is_kept(op: Wrote | Resized) -> bool:
    return isinstance(op, Wrote) and op.kept


def _sectors(op: Wrote | Resized) -> Iterable[Wrote | Resized]:
    if isinstance(op, Resized):
        return [op]
    return _pieces(op)


def _pieces(op: Wrote) -> Iterator[Wrote]:
    place, end = op.offset, op.offset + len(op.data)
    while place < end:
        until = min(end, (place // SECTOR_BYTES + 1) * SECTOR_BYTES)
        yield Wrote(op.path, place, op.data[place - op.offset : until - op.offset])
        place = until


def _apply(content: bytearray, op: Wrote | Resized) -> None:
    match op:
        case Resized(_, size):
            del content[size:]
            content.extend(bytes(size - len(content)))
        case Wrote(_, offset, data):
            content.extend(bytes(max(0, offset - len(content))))
            content[offset : offset + len(data)] = data


def _change(names: _Names, op: _NameOp, file: _File | None) -> None:
    match op:
        case Made(path):
            names[path] = file
        case Removed(path):
            names.pop(path, None)
        case Moved(path, to):
            for name in [name for name in names if name.is_relative_to(to)]:
                del names[name]
            for name in [name for name in names if name.is_relative_to(path)]:
                names[to / name.relative_to(path)] = names.pop(name)


def _folders(op: _NameOp) -> set[Path]:
    paths = [op.path, op.to] if isinstance(op, Moved) else [op.path]
    return {path.parent for path in paths}
