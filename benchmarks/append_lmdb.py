"""
Ask how many events a second an append to LMDB writes, beside the raw binding in the same run.

The raw binding writes the same fields and one index, positions by stream, with the same sync; it
checks nothing. Rounds alternate, so that a busy machine slows both, and the medians are compared.

    python benchmarks/append_lmdb.py [ROUNDS]
"""

import struct
from itertools import count
from pathlib import Path
from typing import Final

import lmdb
from append import DATA, STREAMS, Step, ask, folder

MAP_BYTES: Final = 1 << 30
FIELDS: Final = struct.Struct(">QQqIBB")


def raw_appends(path: Path, per_commit: int, *, spread: bool) -> Step:
    """
    Return what commits so many events with the binding alone, and says how many.
    """
    path.mkdir()
    environment = lmdb.open(str(path), map_size=MAP_BYTES, max_dbs=2)
    events = environment.open_db(b"events")
    index = environment.open_db(b"by_stream", dupsort=True, dupfixed=True)
    positions = count(1)

    def commit() -> int:
        records, places = [], []
        for position in [next(positions) for _ in range(per_commit)]:
            stream = (position if spread else position // per_commit) % STREAMS
            key = position.to_bytes(8)
            fields = FIELDS.pack(stream, position // STREAMS, 1, 1, 13, 0)
            records.append((key, b"".join((fields, b"TaskScheduled", b"", DATA))))
            places.append((stream.to_bytes(8), key))
        with environment.begin(write=True) as transaction:
            transaction.cursor(events).putmulti(records, append=True)
            transaction.cursor(index).putmulti(places)
        return per_commit

    return commit


def main() -> None:
    """
    Ask the question.
    """
    with folder() as made:
        place = Path(made).resolve()
        ask(
            "LMDB, every commit synced",
            lambda name: f"lmdb:///{place}/{name}?map_size={MAP_BYTES}",
            raw_appends,
            place,
        )


if __name__ == "__main__":
    main()
