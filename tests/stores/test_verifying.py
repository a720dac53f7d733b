"""
Verification of a long log: it tells how far it is, and its memory does not grow with the log.
"""

import json
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Final, cast

import pytest

from azoth import ANY, EventStore, NewEvent, VerifiableStore, Write, open_store

MILLION: Final = 1_000_000
STREAMS: Final = 100
PEAK_BYTES_MAX: Final = 64 * 1024 * 1024
"""Above the interpreter: SQLite's cache is 16 MiB, names take 10 MiB, pages in hand the rest."""


@pytest.fixture(params=["sqlite", "lmdb"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """
    Each store that verifies itself.
    """
    return f"{request.param}:///{tmp_path}/log"


def fill(store: EventStore, count: int) -> None:
    """
    Append so many events, in batches of 10,000 over 100 streams.
    """
    event = NewEvent("Deposited", b'{"amount":%d}' % 10**100, {"user": "ada"})
    for batch in range(0, count, 10_000):
        names = [f"account-{batch // 50_000}-{number}" for number in range(STREAMS)]
        share = min(10_000, count - batch) // STREAMS
        writes = [Write(name, [event] * share, ANY) for name in names]
        store.append(*writes, key=f"batch-{store.wait(0, 0)}")


def test_verification_tells_how_far_it_is(url: str) -> None:
    """
    For each step the number grows up to the whole; what the listener raises ends it.
    """
    told: dict[str, list[tuple[int, int | None]]] = {}

    def hear(step: str, done: int, total: int | None) -> None:
        told.setdefault(step, []).append((done, total))

    def give_up(step: str, done: int, total: int | None) -> None:
        raise InterruptedError(step)

    with open_store(url) as store:
        fill(store, 3_000)
        verify = cast("VerifiableStore", store).verify
        problems = verify(hear)
        with pytest.raises(InterruptedError):
            verify(give_up)

    assert problems == []
    for step in ("events", "versions"):
        assert [told[step][0], told[step][-1]] == [(1_000, 3_000), (3_000, 3_000)]
    assert all(steps == sorted(steps) for steps in ([n for n, _ in t] for t in told.values()))
    assert {"streams", "categories", "keys", "checkpoints", "leases"} <= told.keys()


def test_the_memory_of_verification_does_not_grow_with_the_log(url: str) -> None:
    """
    Three times the events, the same peak.
    """
    with open_store(url) as store:
        fill(store, 1_200)
        short = peak_of(store)
        fill(store, 2_400)
        long = peak_of(store)

    assert long < short + 64 * 1024


def peak_of(store: EventStore) -> int:
    """
    Return the most bytes that Python held while it verified.
    """
    tracemalloc.start()
    try:
        assert cast("VerifiableStore", store).verify() == []
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


VERIFY: Final = """
import json, sys
from pathlib import Path
from azoth import open_store

def anonymous():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) * 1024

before, peak, steps = 0, 0, {}

def tell(step, done, total):
    global peak
    peak, steps[step] = max(peak, anonymous()), done

with open_store(sys.argv[1], mode="ro") as store:
    before = anonymous()
    problems = store.verify(tell)
print(json.dumps({"problems": len(problems), "events": steps["events"], "peak": peak - before}))
"""


@pytest.mark.soak
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what memory is the program's")
def test_a_million_events_are_verified_in_bounded_memory(url: str) -> None:
    """
    Of the memory that is the program's own: the map of LMDB is the system's cache of a file.
    """
    with open_store(url, durability="normal") as store:
        fill(store, MILLION)

    done = subprocess.run(
        [sys.executable, "-c", VERIFY, url], capture_output=True, text=True, check=True
    )

    told = json.loads(done.stdout)
    assert (told["problems"], told["events"]) == (0, MILLION)
    assert told["peak"] < PEAK_BYTES_MAX
