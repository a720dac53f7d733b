"""
An export on its way into a file: under another name until it is whole, and gone on with later.
"""

import gzip
import os
import zlib
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import IO, Final

from azoth.cli.opening import StoreTrouble

__all__ = ["LINES_AT_ONCE", "UnfinishedFile", "blocks"]

LINES_AT_ONCE: Final = 2_000
"""Of one block: what is written at once, and of a compressed file what is lost in a crash."""

_CHUNK_BYTES: Final = 256 * 1024
_GZIP: Final = 16 + zlib.MAX_WBITS


class UnfinishedFile:
    """
    Hold the lines that are written already, and take more.

    Args:
        path: Where the file will be once it is whole.
        packed: Whether it is compressed.
    """

    def __init__(self, path: Path, *, packed: bool) -> None:
        self._path = path
        self._packed = packed
        self._unfinished = Path(f"{path}.unfinished")

    def forget(self) -> None:
        """
        Begin anew.
        """
        self._unfinished.unlink(missing_ok=True)

    def written(self) -> Iterator[bytes]:
        """
        Yield the whole lines that are there; what a crash cut behind them is cut off.
        """
        if not self._unfinished.exists():
            return
        end = 0
        with self._unfinished.open("rb") as file:
            for text, read in _members(file) if self._packed else _lines(file):
                yield from text.splitlines(keepends=True)
                end = read
        os.truncate(self._unfinished, end)

    def write(self, lines: Iterable[bytes]) -> None:
        """
        Write *lines* behind those that are there, and give the file its name.

        Raises:
            StoreTrouble: The file cannot be written; what is there is gone on with later.
        """
        try:
            with self._unfinished.open("ab") as file:
                for block in blocks(lines, packed=self._packed):
                    file.write(block)
                file.flush()
                os.fsync(file.fileno())
            self._unfinished.replace(self._path)
        except OSError as error:
            raise StoreTrouble(
                f"{self._path} cannot be written: {error.strerror}; then the same command goes on"
            ) from error


def blocks(lines: Iterable[bytes], *, packed: bool) -> Iterator[bytes]:
    """
    Yield *lines* as they are written: many at once, compressed or not.
    """
    rest = iter(lines)
    while block := b"".join(islice(rest, LINES_AT_ONCE)):
        # No time in it: equal logs give equal files.
        yield gzip.compress(block, mtime=0) if packed else block


def _lines(file: IO[bytes]) -> Iterator[tuple[bytes, int]]:
    end = 0
    for line in file:
        if not line.endswith(b"\n"):
            return
        end += len(line)
        yield line, end


def _members(file: IO[bytes]) -> Iterator[tuple[bytes, int]]:
    unpacker, text, read = zlib.decompressobj(_GZIP), bytearray(), 0
    while chunk := file.read(_CHUNK_BYTES):
        read += len(chunk)
        while chunk:
            try:
                text += unpacker.decompress(chunk)
            except zlib.error:
                return
            chunk = unpacker.unused_data
            if unpacker.eof:
                yield bytes(text), read - len(chunk)
                unpacker, text = zlib.decompressobj(_GZIP), bytearray()
