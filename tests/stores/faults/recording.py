"""
What a process did to its files, in order, from the system calls that strace wrote down.

Only what a disk can notice is kept: data written and where, sizes, syncs, names that came, moved
and went. Between them stand the words that the process said, such as what was acknowledged.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, TypeAlias

from attrs import frozen

__all__ = [
    "CALLS",
    "DATA_MAX",
    "Made",
    "Moved",
    "Op",
    "Removed",
    "Resized",
    "Said",
    "Synced",
    "Wrote",
    "recorded",
]

CALLS: Final = (
    "openat,lseek,pwrite64,pwritev,pwritev2,write,writev,ftruncate,fallocate,fsync,fdatasync,msync,"
    "sync_file_range,rename,renameat,renameat2,link,linkat,unlink,unlinkat,mkdir,mkdirat,rmdir,sendto"
)
"""What must be traced: a call that is not known here stops the reading, so that none is missed."""

DATA_MAX: Final = 64 * 1024 * 1024
"""Bytes of one call that are written down."""


@frozen
class Wrote:
    """
    Data went to *path*, at *offset*; *kept* if the call returned only when it was on the disk.
    """

    path: Path
    offset: int
    data: bytes
    kept: bool = False


@frozen
class Resized:
    """
    The file at *path* got another size.
    """

    path: Path
    size: int


@frozen
class Synced:
    """
    All that was written to *path* is on the disk; of a folder, its names.
    """

    path: Path


@frozen
class Made:
    """
    A file or a folder came to be.
    """

    path: Path
    folder: bool = False


@frozen
class Moved:
    """
    A name became another; what had that one is gone.
    """

    path: Path
    to: Path


@frozen
class Removed:
    """
    A name went.
    """

    path: Path


@frozen
class Said:
    """
    The process said a line.
    """

    line: str


Op: TypeAlias = Wrote | Resized | Synced | Made | Moved | Removed | Said

_CALL: Final = re.compile(r"\d+ +(?P<name>\w+)\((?P<arguments>.*)\) += (?P<result>\d+)(?P<of>.*)")
_UNFINISHED: Final = re.compile(r"(?P<pid>\d+) +(?P<begun>\w+\(.*) <unfinished \.\.\.>")
_RESUMED: Final = re.compile(r"(?P<pid>\d+) +<\.\.\. \w+ resumed>(?P<rest>.*)")
_QUOTED: Final = re.compile(r'"((?:\\x[0-9a-f]{2})*)"(\.\.\.)?')
_DESCRIPTOR: Final = re.compile(r"(\d+)<((?:\\x[0-9a-f]{2})*)>")
_NAME: Final = re.compile(r'(?:<((?:\\x[0-9a-f]{2})*)>, )?"((?:\\x[0-9a-f]{2})*)"')
_NUMBER: Final = re.compile(r"\b\d+\b")


def recorded(trace: Iterable[str], folder: Path) -> list[Op]:
    """
    Return what a trace tells of the files under *folder*, and what was said.
    """
    ops: list[Op] = []
    reader = _Reader(folder)
    for line in _whole(trace):
        call = _CALL.fullmatch(line)
        if call is not None:
            ops += reader.ops(call)
    return ops


def _whole(trace: Iterable[str]) -> Iterator[str]:
    """
    Yield each call in one line, where it returned: another thread may have been traced meanwhile.
    """
    begun: dict[str, str] = {}
    for line in trace:
        if match := _UNFINISHED.fullmatch(line):
            begun[match["pid"]] = match["begun"]
        elif match := _RESUMED.fullmatch(line):
            yield f"{match['pid']} {begun.pop(match['pid'])}{match['rest']}"
        else:
            yield line


class _Reader:
    """
    Follow the descriptors of one process.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: set[Path] = set()
        self._at_once: dict[int, bool] = {}
        self._places: dict[int, int] = {}

    def ops(self, call: re.Match[str]) -> Iterator[Op]:
        name, arguments = call["name"], call["arguments"]
        if name == "sendto":
            yield from map(Said, _data(arguments).decode().splitlines())
        elif name == "openat":
            yield from self._opened(arguments, call["result"] + call["of"])
        elif name in {"lseek", "write", "writev", "pwrite64", "pwritev", "pwritev2"}:
            yield from self._written(name, arguments, int(call["result"]))
        elif name in {"ftruncate", "fsync", "fdatasync"}:
            yield from self._of_file(name, arguments)
        else:
            yield from self._of_names(name, arguments)

    def _opened(self, arguments: str, result: str) -> Iterator[Op]:
        descriptor, path = _descriptor(result)
        self._at_once[descriptor] = "SYNC" in arguments
        self._places[descriptor] = 0
        if path is None or not self._is_ours(path):
            return
        assert "O_APPEND" not in arguments, f"where its data goes is not traced: {path}"
        if "O_CREAT" in arguments and path not in self._known:
            self._known.add(path)
            yield Made(path)
        elif "O_TRUNC" in arguments:
            yield Resized(path, 0)

    def _written(self, name: str, arguments: str, result: int) -> Iterator[Op]:
        descriptor, path = _descriptor(arguments)
        if name == "lseek":
            self._places[descriptor] = result
            return
        if name.startswith("p"):
            numbers = _NUMBER.findall(arguments.rpartition('"')[2])
            offset = int(numbers[-2 if name == "pwritev2" else -1])
        else:
            offset = self._places.get(descriptor, 0)
            self._places[descriptor] = offset + result
        if path is not None and self._is_ours(path):
            data = _data(arguments)[:result]
            yield Wrote(path, offset, data, self._at_once.get(descriptor, False))

    def _of_file(self, name: str, arguments: str) -> Iterator[Op]:
        _, path = _descriptor(arguments)
        if path is not None and self._is_ours(path):
            size = int(_NUMBER.findall(arguments)[-1])
            yield Resized(path, size) if name == "ftruncate" else Synced(path)

    def _of_names(self, name: str, arguments: str) -> Iterator[Op]:
        # A name may be one in a folder whose descriptor stands before it.
        paths = [Path(_text(m[1] or "")) / _text(m[2]) for m in _NAME.finditer(arguments)]
        if not any(map(self._is_ours, paths)):
            return
        match name.removesuffix("2").removesuffix("at"):
            case "rename":
                self._known = {_moved(path, *paths) for path in self._known}
                yield Moved(*paths)
            case "unlink" | "rmdir":
                self._known.discard(paths[0])
                yield Removed(paths[0])
            case "mkdir":
                yield Made(paths[0], folder=True)
            case _:
                raise NotImplementedError(f"{name} of {paths}: teach the recording what it does")

    def _is_ours(self, path: Path) -> bool:
        return path.is_relative_to(self._folder)


def _moved(path: Path, source: Path, target: Path) -> Path:
    return target / path.relative_to(source) if path.is_relative_to(source) else path


def _descriptor(text: str) -> tuple[int, Path | None]:
    match = _DESCRIPTOR.match(text)
    if match is None:
        return int(_NUMBER.findall(text)[0]), None
    return int(match[1]), Path(_text(match[2]))


def _data(arguments: str) -> bytes:
    found = _QUOTED.findall(arguments)
    assert not any(cut for _, cut in found), "strace left out data"
    return b"".join(_bytes(quoted) for quoted, _ in found)


def _text(quoted: str) -> str:
    return _bytes(quoted).decode()


def _bytes(quoted: str) -> bytes:
    return bytes.fromhex(quoted.replace("\\x", ""))
