"""
Snapshots: a projection's rows as they were at some positions, so that a replay begins near its end.

A snapshot answers for one log, one projection and one state of the code. Where anything is another
one, or a file is damaged or gone, the replay begins earlier, at last at the first event: a snapshot
saves time and never changes an answer. So the folder may be deleted whenever one likes.
"""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import cache
from hashlib import blake2b
from logging import getLogger
from os import PathLike, getpid
from pathlib import Path
from threading import get_ident
from typing import Any, Final, Protocol, TypeVar, cast, runtime_checkable

from attrs import frozen

from azoth.events import check_integer
from azoth.marks import Mark, mark_at
from azoth.projections import Projection
from azoth.store import EventStore

__all__ = ["SNAPSHOT_EVERY", "Snapshots", "Snapshottable"]

SNAPSHOT_EVERY: Final = 5_000
"""Events between two snapshots: folding as many takes a fraction of a second."""

P = TypeVar("P", bound=Projection)

_log: Final = getLogger("azoth")

_FORMAT: Final = 1
_HASH_BYTES: Final = 16


@runtime_checkable
class Snapshottable(Projection, Protocol):
    """
    Be a projection whose rows can be kept as bytes.
    """

    def dump(self) -> Sequence[bytes]:
        """
        Return all that the projection is, its position too; nothing if it cannot be kept.

        A part that is the same in two snapshots is stored once, so what does not change any more
        belongs in parts of its own.
        """
        ...

    def load(self, parts: Sequence[bytes]) -> None:
        """
        Become what was dumped; it is called once, on a projection that has folded nothing.

        Raises:
            Exception: What was dumped does not fit; the projection is thrown away.
        """
        ...


class Snapshots:
    """
    Keep snapshots in a folder, or in memory.

    One object serves any number of logs and projections. What they are kept by is the projection's
    name and version, the source of the packages that its classes come from, and the mark of the
    log at the position. What else a factory hands to its projection belongs in the name.

    Args:
        path: The folder; it is made if it is missing. None for memory.
        every: Positions between two snapshots.
    """

    def __init__(
        self, path: str | PathLike[str] | None = None, *, every: int = SNAPSHOT_EVERY
    ) -> None:
        self._keeper: _Keeper = _Memory() if path is None else _Folder(Path(path))
        self._every = check_integer(every, "every", low=1)

    @property
    def every(self) -> int:
        """
        Return how many positions lie between two snapshots.
        """
        return self._every

    def stops(self, after: int, until: int) -> Iterator[int]:
        """
        Yield the positions in (*after*, *until*) at which a replay makes a snapshot.
        """
        return iter(range(after - after % self._every + self._every, until, self._every))

    def nearest(self, store: EventStore, factory: Callable[[], P], until: int) -> P:
        """
        Return a projection as it was at the last position up to *until* that is kept; maybe empty.
        """
        fresh = factory()
        if not isinstance(fresh, Snapshottable):
            return fresh
        found = self._keeper.kept(_fingerprint(fresh))
        for mark in sorted(found, key=lambda mark: mark.position, reverse=True):
            if mark.position <= until and _mark_at(store, mark.position) == mark:
                loaded = self._loaded(factory, mark)
                if loaded is not None:
                    return loaded
        return fresh

    def keep(self, store: EventStore, projection: Projection) -> None:
        """
        Keep *projection* as it is; nothing happens where that cannot be done.
        """
        if not isinstance(projection, Snapshottable):
            return
        fingerprint = _fingerprint(projection)
        mark = mark_at(store, projection.position)
        if mark in self._keeper.kept(fingerprint):
            return
        try:
            parts = projection.dump()
            if parts:
                self._keeper.put(fingerprint, mark, parts)
        except OSError as error:
            # It would have saved time, no more.
            _log.warning("no snapshot of %r is kept: %s", projection.name, error)

    def _loaded(self, factory: Callable[[], P], mark: Mark) -> P | None:
        projection = factory()
        assert isinstance(projection, Snapshottable), "a factory makes one kind of projection"
        fingerprint = _fingerprint(projection)
        try:
            projection.load(self._keeper.get(fingerprint, mark))
            _check_place(projection, mark)
        except Exception as error:  # noqa: BLE001 - whatever does not fit, the replay begins earlier
            _log.warning("a snapshot of %r is passed over: %s", projection.name, error)
            self._keeper.drop(fingerprint, mark)
            return None
        return cast("P", projection)


def _check_place(projection: Projection, mark: Mark) -> None:
    if projection.position != mark.position:
        raise ValueError(f"it stands at {projection.position}, not at {mark.position}")


def _mark_at(store: EventStore, position: int) -> Mark | None:
    try:
        return mark_at(store, position)
    except ValueError:
        # The log ends before it.
        return None


def _fingerprint(projection: Projection) -> str:
    kind = type(projection)
    words = [_FORMAT, projection.name, projection.version, kind.__module__, kind.__qualname__]
    return _hash(json.dumps([*words, _code_of(kind)]).encode())


@cache
def _code_of(kind: type) -> str:
    # A fold calls what it likes in its package, so all of that counts; an edit that has nothing to
    # do with it costs a replay.
    packages = {cls.__module__.partition(".")[0] for cls in kind.__mro__} - {"builtins"}
    sources = [path for package in sorted(packages) for path in _sources_of(package)]
    return _hash(b"".join(blake2b(path.read_bytes()).digest() for path in sources))


def _sources_of(package: str) -> Sequence[Path]:
    file = getattr(sys.modules.get(package), "__file__", None)
    if package in sys.stdlib_module_names or file is None:
        return ()
    path = Path(file)
    return sorted(path.parent.rglob("*.py")) if path.name == "__init__.py" else (path,)


def _hash(data: bytes) -> str:
    return blake2b(data, digest_size=_HASH_BYTES).hexdigest()


class _Keeper(Protocol):
    def kept(self, fingerprint: str) -> Iterable[Mark]: ...

    def put(self, fingerprint: str, mark: Mark, parts: Sequence[bytes]) -> None: ...

    def get(self, fingerprint: str, mark: Mark) -> Sequence[bytes]: ...

    # So that the next replay makes it again.
    def drop(self, fingerprint: str, mark: Mark) -> None: ...


class _Memory:
    def __init__(self) -> None:
        self._snapshots: dict[str, dict[Mark, Sequence[str]]] = {}
        self._parts: dict[str, bytes] = {}

    def kept(self, fingerprint: str) -> Iterable[Mark]:
        return list(self._snapshots.get(fingerprint, ()))

    def put(self, fingerprint: str, mark: Mark, parts: Sequence[bytes]) -> None:
        hashes = [_hash(part) for part in parts]
        self._parts.update(zip(hashes, parts, strict=True))
        self._snapshots.setdefault(fingerprint, {})[mark] = hashes

    def get(self, fingerprint: str, mark: Mark) -> Sequence[bytes]:
        return [self._parts[name] for name in self._snapshots[fingerprint][mark]]

    def drop(self, fingerprint: str, mark: Mark) -> None:
        self._snapshots[fingerprint].pop(mark, None)


@frozen
class _Folder:
    path: Path

    def kept(self, fingerprint: str) -> Iterable[Mark]:
        for file in self.path.glob(f"{fingerprint}/*-*.json"):
            position, _, crc = file.stem.partition("-")
            if position.isdecimal() and crc.isdecimal():
                yield Mark(position=int(position), crc=int(crc))

    def put(self, fingerprint: str, mark: Mark, parts: Sequence[bytes]) -> None:
        folder = self.path / "parts"
        folder.mkdir(parents=True, exist_ok=True)
        hashes = [_hash(part) for part in parts]
        for name, part in zip(hashes, parts, strict=True):
            if not (folder / name).exists():
                _write(folder / name, part)
        listed = self._listed(fingerprint, mark)
        listed.parent.mkdir(exist_ok=True)
        _write(listed, json.dumps(hashes).encode())

    def get(self, fingerprint: str, mark: Mark) -> Sequence[bytes]:
        hashes: Any = json.loads(self._listed(fingerprint, mark).read_bytes())
        return [self._part(name) for name in hashes]

    def drop(self, fingerprint: str, mark: Mark) -> None:
        with suppress(OSError):
            self._listed(fingerprint, mark).unlink()

    def _part(self, name: str) -> bytes:
        file = self.path / "parts" / name
        part = file.read_bytes()
        if _hash(part) != name:
            with suppress(OSError):
                file.unlink()
            raise ValueError(f"{file} is damaged")
        return part

    def _listed(self, fingerprint: str, mark: Mark) -> Path:
        return self.path / fingerprint / f"{mark.position}-{mark.crc}.json"


def _write(path: Path, data: bytes) -> None:
    # Whole or not at all: two programs may keep the same snapshot at once.
    beside = path.with_name(f"{path.name}.{getpid()}-{get_ident()}.new")
    beside.write_bytes(data)
    beside.replace(path)
