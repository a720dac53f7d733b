"""
Everything that a store answers, so that a damaged file can be compared with a whole one.

Each answer is a digest, or the error that was raised instead of it. Errors are what damage should
give; another digest without any error is the one thing that must not be.
"""

from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Final, TypeAlias

from azoth.errors import AzothError, StoreCorrupt
from azoth.events import Query, Write
from azoth.following import iterate
from azoth.store import EventStore, LeaseStore, VerifiableStore
from azoth.streams import WrongExpectedVersion
from tests.stores.faults.subjects import Subject
from tests.stores.faults.work import CONSUMER, STREAMS, TYPES, batch, log_of

__all__ = ["UNTYPED", "Answer", "all_answers"]

UNTYPED: Final = "untyped"

Answer: TypeAlias = tuple[str, str, str, int | None]
"""
What was asked, the digest or `error` or `untyped`, the name and words of the error, its position.
"""

Question: TypeAlias = Callable[[EventStore], object]


def all_answers(subject: Subject, folder: Path, seed: int, count: int) -> Iterator[Answer]:
    """
    Yield what a store answers that holds *count* batches of *seed*; `verify` gives its problems.

    What may write comes last: where a key is forgotten, its batch is appended again.
    """
    try:
        store = subject.open(folder)
    except AzothError as error:
        yield "open", "error", f"{type(error).__name__}: {error}", None
        return
    except Exception as error:  # noqa: BLE001 - it must not come out, and is judged elsewhere
        yield "open", UNTYPED, f"{type(error).__name__}: {error}", None
        return
    for name, question in _questions(seed, count):
        yield _answer(name, question, store)
    yield _answer("close", lambda store: store.close(), store)


def _answer(name: str, question: Question, store: EventStore) -> Answer:
    try:
        said = repr(question(store))
    except AzothError as error:
        position = error.position if isinstance(error, StoreCorrupt) else None
        return name, "error", f"{type(error).__name__}: {error}", position
    except Exception as error:  # noqa: BLE001 - it must not come out, and is judged elsewhere
        return name, UNTYPED, f"{type(error).__name__}: {error}", None
    return name, said if name == "verify" else sha256(said.encode()).hexdigest()[:16], "", None


def _questions(seed: int, count: int) -> Iterator[tuple[str, Question]]:
    yield from _reads(len(log_of(seed, count)))
    yield "checkpoint", lambda store: store.checkpoint(CONSUMER)
    yield "wait", lambda store: store.wait(0, 0)
    yield "verify", _verify
    yield "leases", _leases
    for stream in (*STREAMS, "missing-1"):
        yield f"version {stream}", _Appends(Write(stream, (), 0))
    for number in range(1, count + 1):
        yield f"key {number}", batch(seed, number).append_to


def _reads(head: int) -> Iterator[tuple[str, Question]]:
    for position in range(1, head + 1):
        yield f"event {position}", _Reads(Query(), after=position - 1, until=position)
    queries = [Query(), *(Query(types=(type,)) for type in TYPES)]
    queries += [Query(stream=stream) for stream in STREAMS]
    queries += [Query(category=category) for category in ("order", "cart")]
    for query in queries:
        yield f"read {query}", _Reads(query)
        yield f"back {query}", _Backwards(query)


class _Reads:
    def __init__(self, query: Query, *, after: int = 0, until: int | None = None) -> None:
        self._query, self._after, self._until = query, after, until

    def __call__(self, store: EventStore) -> object:
        return list(iterate(store, self._query, after=self._after, until=self._until))


class _Backwards:
    def __init__(self, query: Query) -> None:
        self._query = query

    def __call__(self, store: EventStore) -> object:
        return store.read(self._query, backwards=True)


class _Appends:
    """
    Ask for the version of a stream: the conflict names it, and a missing stream answers.
    """

    def __init__(self, check: Write) -> None:
        self._check = check

    def __call__(self, store: EventStore) -> object:
        try:
            return store.append(self._check)
        except WrongExpectedVersion as refused:
            return refused.failures


def _verify(store: EventStore) -> object:
    assert isinstance(store, VerifiableStore)
    return [(problem.position, problem.reason) for problem in store.verify()]


def _leases(store: EventStore) -> object:
    if isinstance(store, LeaseStore):
        return [(lease.worker, lease.until) for lease in store.leases()]
    return None
