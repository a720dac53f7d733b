"""
The first two pages of LMDB's file, read without LMDB: it believes what they say, and may crash.

Each commit writes one of them, in turns; the one with the higher number of a commit counts.
"""

import struct
from pathlib import Path
from typing import Final

from attrs import frozen

from azoth.errors import StoreCorrupt, StoreFailed

__all__ = ["FIRST_PAGE", "PAGES_READ", "Header", "read_header"]

PAGES_READ: Final = 2 * 65_536
"""Two pages of the largest size that there is."""

FIRST_PAGE: Final = 2
"""Before it stand the two pages that are read here."""

_MAGIC: Final = 0xBEEFC0DE
_VERSION: Final = 1
_NO_PAGE: Final = 2**64 - 1
_PAGE_HEADER_BYTES: Final = 16
# Magic, version, address, size of the map; then of the free list and of the tables the page size
# (in the first alone) and the root; then the last page and the number of the commit. In the
# machine's byte order, as LMDB writes them.
_META: Final = struct.Struct("=IIQQ I36xQ 40xQ QQ")


@frozen
class Header:
    """
    Hold what the page of the last commit says.

    Attributes:
        commit: Its number.
        map_size: How large the map was, in bytes.
        needed: How many bytes the file must have.
    """

    commit: int
    map_size: int
    needed: int


@frozen
class _Meta:
    magic: int
    version: int
    address: int
    map_size: int
    page_size: int
    free_root: int
    tables_root: int
    last_page: int
    commit: int


def read_header(file: Path) -> Header:
    """
    Return the header of LMDB's file, once its bounds are checked.

    Raises:
        StoreFailed: It is no file of LMDB's, or one of another version of it.
        StoreCorrupt: It is one, and damaged.
    """
    with file.open("rb") as opened:
        start = opened.read(PAGES_READ)
        size = opened.seek(0, 2)
    first = _meta(file, start, 0)
    # LMDB trusts the first page for the size of pages, so it must be right before the second.
    if first.page_size not in {2**power for power in range(9, 17)}:
        raise _damaged(file, f"its pages would have {first.page_size} bytes")
    second = _meta(file, start, first.page_size)
    last = max(first, second, key=lambda meta: meta.commit)
    _check_turns(file, first, second)
    _check_bounds(file, last, size // first.page_size)
    return Header(last.commit, last.map_size, (last.last_page + 1) * first.page_size)


def _meta(file: Path, start: bytes, offset: int) -> _Meta:
    try:
        meta = _Meta(*_META.unpack_from(start, offset + _PAGE_HEADER_BYTES))
    except struct.error:
        meta = None
    if offset == 0 and (meta is None or meta.magic != _MAGIC):
        raise StoreFailed(reason=f"{file} is not a database of Azoth; it was left as it is")
    if meta is None or meta.magic != _MAGIC:
        raise _damaged(file, "its second page is none of LMDB's")
    if meta.version != _VERSION:
        raise StoreFailed(
            reason=f"{file} has version {meta.version} of LMDB's format, and 1 is understood"
        )
    return meta


def _check_turns(file: Path, first: _Meta, second: _Meta) -> None:
    # Even commits write the first page, odd ones the second, and none is left out.
    in_turns = abs(first.commit - second.commit) == 1 and first.commit % 2 == 0
    if not in_turns and (first.commit or second.commit):
        raise _damaged(file, f"commits {first.commit} and {second.commit} do not follow each other")


def _check_bounds(file: Path, last: _Meta, pages: int) -> None:
    if last.last_page >= pages:
        raise _damaged(file, f"it has {pages} pages, and {last.last_page + 1} belong to it")
    for root in (last.free_root, last.tables_root):
        if root != _NO_PAGE and not FIRST_PAGE <= root <= last.last_page:
            raise _damaged(file, f"a root is page {root}, and the last is {last.last_page}")


def _damaged(file: Path, reason: str) -> StoreCorrupt:
    return StoreCorrupt(position=None, reason=f"{file} is damaged: {reason}")
