"""
Ask what it costs to encode and decode one event of 18 fields, most of them at their default.

The bare cattrs converter and the bare JSON library stand beside it: what they take is the floor of
any codec built on them. Each figure is the best of many short rounds, so that a busy machine shows
the code's own time.

    python benchmarks/codec.py
"""

from collections.abc import Callable, Iterator
from functools import partial
from timeit import repeat
from typing import Final

from attrs import frozen
from cattrs import Converter

from azoth.clocks import Instant
from azoth.codec import Registry
from azoth.json_format import FASTEST, STDLIB

CALLS: Final = 500
ROUNDS: Final = 400


@frozen(kw_only=True)
class Outcome:
    """
    Have the fields of the scheduler's most frequent event.
    """

    task_id: str
    generation: int
    at: Instant
    run_id: str
    execution_id: str
    attempt: int
    fence: int
    worker_id: str
    started_at: Instant
    completed_at: Instant
    duration: int
    outcome: str
    error: str | None = None
    error_type: str | None = None
    traceback: str | None = None
    triggered: int = 0
    retry_at: Instant | None = None
    retry_jitter: int | None = None


EVENT: Final = Outcome(
    task_id="daily-report",
    generation=1,
    at=Instant(1_790_000_000_000_000),
    run_id="daily-report/1@2026-09-21T00:00:00Z",
    execution_id="daily-report/1@2026-09-21T00:00:00Z#1",
    attempt=1,
    fence=3,
    worker_id="web-1/7",
    started_at=Instant(1_790_000_000_000_100),
    completed_at=Instant(1_790_000_000_250_000),
    duration=249_900,
    outcome="succeeded",
)


def microseconds(call: Callable[[], object]) -> float:
    """
    Return the time of one call.
    """
    return min(repeat(call, number=CALLS, repeat=ROUNDS)) / CALLS * 1e6


def questions() -> Iterator[tuple[str, Callable[[], object]]]:
    """
    Yield what is asked, and the call that answers it.
    """
    cattrs = Converter(omit_if_default=True, detailed_validation=False)
    tree = cattrs.unstructure(EVENT)
    yield "cattrs alone, unstructure", partial(cattrs.unstructure, EVENT)
    yield "cattrs alone, structure", partial(cattrs.structure, tree, Outcome)
    for library in (FASTEST, STDLIB):
        data = library.dumps(tree)
        registry = Registry(library)
        registry.event("Outcome")(Outcome)
        written = registry.encode(EVENT)
        assert registry.decode(written) == EVENT
        yield f"{library.name} alone, write", partial(library.dumps, tree)
        yield f"{library.name} alone, read", partial(library.loads, data)
        yield f"Registry.encode with {library.name}", partial(registry.encode, EVENT)
        yield f"Registry.decode with {library.name}", partial(registry.decode, written)


def main() -> None:
    """
    Print one line for each question.
    """
    print("µs for each event")
    for question, call in questions():
        print(f"{microseconds(call):6.2f}  {question}")


if __name__ == "__main__":
    main()
