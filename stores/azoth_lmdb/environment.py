"""
Environments of LMDB: one for each file in this process, however many store objects share it.

LMDB forbids to open a file twice in one process: its locks belong to the process, and closing the
second would free those of the first. A forked child shares the parent's memory and none of its
locks, so it closes what it inherits and opens anew.
"""

import mmap
import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from time import monotonic, sleep  # clock: real waiting
from typing import Final, TypeVar

import lmdb

from azoth.errors import StoreFailed, StoreFull
from azoth.forking import Stage, hold_at_fork
from azoth.options import LOOKING
from azoth_lmdb.gate import Gate
from azoth_lmdb.header import read_header
from azoth_lmdb.options import MAP_BYTES_MAX, LmdbOptions
from azoth_lmdb.place import DATA, TABLE_OF_READERS
from azoth_lmdb.records import FORMAT, format_of
from azoth_lmdb.tables import TABLES_MAX, Transaction, look_at_tables, open_tables

__all__ = [
    "FORK_SECONDS",
    "READERS_MAX",
    "Environment",
    "open_environment",
    "open_handle",
    "release_environment",
]

READERS_MAX: Final = 1_024
"""Transactions that read at once, in all processes; a slot takes 64 bytes."""

FORK_SECONDS: Final = 5.0
"""What a fork waits for running transactions; a child of one that waited longer cannot reopen."""

_PAUSE_SECONDS: Final = 0.001

Result = TypeVar("Result")


def open_handle(
    path: Path, *, map_size: int, metasync: bool, create: bool = False, looks: bool = False
) -> lmdb.Environment:
    """
    Open an environment of LMDB itself.

    It never writes through the map: a full disk would end the process. It always syncs what a
    commit writes, at most the page that names the commit may come later. Who only *looks* makes no
    table of readers where there is none that can be written: then nobody writes.
    """
    return lmdb.open(
        str(path),
        map_size=map_size,
        metasync=metasync,
        create=create,
        readonly=looks,
        lock=not looks or os.access(path / TABLE_OF_READERS, os.W_OK),
        mode=0o666,
        max_readers=READERS_MAX,
        max_dbs=TABLES_MAX,
    )


class Environment:
    """
    Hold an open environment; `open_environment` makes it.

    Args:
        path: The folder, where an environment of ours is.
        options: Of the store object that opens it first.
    """

    def __init__(self, path: Path, options: LmdbOptions) -> None:
        header = read_header(path / DATA)
        self.users = 1
        self.looks: Final = options.mode == LOOKING
        self.syncs_all: Final = options.durability == "full"
        self.gate: Final = Gate()
        self._handle = open_handle(
            path,
            map_size=max(header.map_size, options.map_size),
            metasync=self.syncs_all,
            looks=self.looks,
        )
        self._busy_timeout = options.busy_timeout
        try:
            if not self.looks:
                # A process that was killed while it read keeps its place, and the pages it saw.
                self._handle.reader_check()
            _check_format(path, self._handle, write=not self.looks)
            open_all = look_at_tables if self.looks else open_tables
            self.tables: Final = open_all(self._handle)
        except BaseException:
            self._handle.close()
            raise

    @contextmanager
    def reading(self) -> Generator[Transaction, None, None]:
        """
        Lend a snapshot; what is kept of it must be copied out.

        Raises:
            StoreClosed: The environment was closed.
        """
        handle = self._begin(write=False)
        try:
            yield Transaction(handle, self.tables)
        finally:
            handle.abort()
            self.gate.leave()

    def write(self, work: Callable[[Transaction], Result]) -> Result:
        """
        Run *work* in a transaction and commit it, all in the thread that calls.

        LMDB's lock of writers belongs to the thread that took it; one that another thread should
        free is never freed.

        Raises:
            StoreClosed: The environment was closed.
            MapFullError: The map must grow before *work* is run again.
        """
        # No context manager here: it would cost a tenth of an append.
        handle = self._begin(write=True)
        try:
            try:
                result = work(Transaction(handle, self.tables))
            except BaseException:
                # The binding aborts when nobody is in the environment, and never if two threads
                # read in turns (3.0.0).
                with self.gate.calm():
                    handle.abort()
                raise
            handle.commit()
        finally:
            self.gate.leave()
        return result

    def last_commit(self) -> int:
        """
        Return the number of the last commit of whatever process; it costs a microsecond.
        """
        self.gate.enter()
        try:
            return self._handle.info()["last_txnid"]
        finally:
            self.gate.leave()

    def sizes(self) -> tuple[int, int]:
        """
        Return how many bytes the map has, and how many of them are pages that were ever used.
        """
        self.gate.enter()
        try:
            info, page_size = self._handle.info(), self._handle.stat()["psize"]
            return info["map_size"], (info["last_pgno"] + 1) * page_size
        finally:
            self.gate.leave()

    def readers(self) -> str:
        """
        Return the table of readers, as LMDB prints it.
        """
        self.gate.enter()
        try:
            return self._handle.readers()
        finally:
            self.gate.leave()

    def sync(self) -> None:
        """
        Make what is committed survive a power cut.
        """
        self.gate.enter()
        try:
            self._handle.sync(True)  # noqa: FBT003 - before 3.0 it has no name
        finally:
            self.gate.leave()

    def copy(self, path: Path) -> None:
        """
        Write a snapshot to the empty folder *path*.

        Free pages are copied too: the binding's compacting copy crashes on a table of several
        values to a key (3.0.0), and a log that only grows has few of them.
        """
        self.gate.enter()
        try:
            self._handle.copy(str(path), compact=False)
        finally:
            self.gate.leave()

    def grow(self) -> None:
        """
        Make the map larger, or as large as another process made it.

        Raises:
            StoreFull: There are no addresses for a larger one.
        """
        with self.gate.alone():
            # What a killed reader saw last is never used again, and makes the file grow.
            self._handle.reader_check()
            size = self._map_size()
            _check_addresses(2 * size)
            self._handle.set_mapsize(0)
            if self._map_size() <= size:
                self._handle.set_mapsize(2 * size)

    def close(self) -> None:
        """
        Close it once nobody reads or writes any more.
        """
        self.gate.close()
        self._handle.close()

    def close_in_child(self) -> None:
        """
        Close it after a fork; no transaction was open, and the parent's locks are the parent's.
        """
        self._handle.close()

    def _begin(self, *, write: bool) -> "lmdb.Transaction[bytes]":
        deadline = None
        while True:
            self.gate.enter()
            try:
                return self._handle.begin(write=write)
            except lmdb.MapResizedError:
                self.gate.leave()
                self._adopt()
            except lmdb.ReadersFullError:
                self.gate.leave()
                deadline = deadline or monotonic() + self._busy_timeout  # clock: real waiting
                self._wait_for_reader(deadline)
            except BaseException:
                self.gate.leave()
                raise

    def _adopt(self) -> None:
        with self.gate.alone():
            _check_addresses(2 * self._map_size())
            self._handle.set_mapsize(0)

    def _wait_for_reader(self, deadline: float) -> None:
        if self._handle.reader_check():
            return
        if monotonic() >= deadline:  # clock: real waiting
            raise lmdb.ReadersFullError("all places for readers are taken")
        sleep(_PAUSE_SECONDS)

    def _map_size(self) -> int:
        return self._handle.info()["map_size"]


def _check_addresses(size: int) -> None:
    # LMDB gives up the old map before it asks for a larger one, so that is tried first.
    if size > MAP_BYTES_MAX:
        raise StoreFull(reason=f"the map has its largest size, {MAP_BYTES_MAX} bytes")
    try:
        mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, mmap.PROT_READ).close()
    except OSError as error:
        reason = f"there are no addresses for a map of {size} bytes: {error}"
        raise StoreFull(reason=reason) from error


class _Registry:
    """
    Hold the environments of this process by the number of their file.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._open: dict[tuple[int, int], Environment] = {}
        self._shut: list[Environment] = []

    def open(self, path: Path, options: LmdbOptions) -> Environment:
        with self._lock:
            file = _file(path)
            found = self._open.get(file)
            if found is None:
                found = self._open[file] = Environment(path, options)
            elif found.looks and options.mode != LOOKING:
                raise StoreFailed(
                    reason=f"this process looks at {path} with mode=ro, and LMDB opens a file once "
                    "in a process; close that store first"
                )
            else:
                found.users += 1
            return found

    def release(self, environment: Environment) -> None:
        with self._lock:
            environment.users -= 1
            if environment.users:
                return
            for file, known in list(self._open.items()):
                if known is environment:
                    del self._open[file]
            environment.close()

    def hold(self) -> None:
        self._lock.acquire()
        # A child could close no transaction of its parent: it would free the parent's lock.
        self._shut = [held for held in self._open.values() if held.gate.shut(FORK_SECONDS)]

    def let_go(self) -> None:
        while self._shut:
            self._shut.pop().gate.open()
        self._lock.release()

    def let_go_in_child(self) -> None:
        while self._shut:
            self._shut.pop().close_in_child()
        self._open.clear()
        self._lock.release()


_REGISTRY: Final = _Registry()
hold_at_fork(_REGISTRY, Stage.ENGINES)


def open_environment(path: Path, options: LmdbOptions) -> Environment:
    """
    Open the environment at *path*, or share the one that is open in this process.
    """
    return _REGISTRY.open(path, options)


def release_environment(environment: Environment) -> None:
    """
    Close an environment if nobody else in this process uses it.
    """
    _REGISTRY.release(environment)


def _check_format(path: Path, environment: lmdb.Environment, *, write: bool) -> None:
    # A newer format may lack a table that we know, so this comes before them.
    with environment.begin(write=write) as handle:
        table = environment.open_db(b"azoth", txn=handle, create=False)
        version = format_of(handle.get(b"format", db=table))
    if version > FORMAT:
        raise StoreFailed(
            reason=f"{path} has format {version}, and this Azoth knows {FORMAT}; upgrade Azoth"
        )


def _file(path: Path) -> tuple[int, int]:
    found = (path / DATA).stat()
    return found.st_dev, found.st_ino
