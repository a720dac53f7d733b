"""
Whoever looks on: told when an operation starts, and how it ended.

An observer measures, counts and traces; it never changes what happens. One that raises is logged
once and told the rest all the same.
"""

from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from logging import getLogger
from threading import Lock
from typing import Final, Literal, Protocol, TypeAlias

from attrs import define, frozen

from azoth.clocks import Clock, Microseconds, SystemClock
from azoth.events import ALL, Appended, Checkpoint, Page, Query, Write
from azoth.store import EventStore
from azoth.wrapping import StoreWrapper

__all__ = [
    "NOBODY",
    "ObservedStore",
    "Observer",
    "Observers",
    "Operation",
    "OperationEnd",
    "OperationKind",
    "Tally",
    "observed",
]

OperationKind: TypeAlias = Literal["append", "read", "claim", "run", "catch_up"]
"""What is done: the store appends and reads, a scheduler claims, runs attempts and catches up."""

_logger: Final = getLogger("azoth")

# What a store may offer beyond the port. A check for it looks at the object, not at `__getattr__`.
_OFFERS: Final = ("backup", "checkpoints", "diagnose", "leases", "renew", "restore", "verify")


@frozen(kw_only=True, eq=False)
class Operation:
    """
    Be one thing that is done; the same object starts and ends.

    Attributes:
        kind: What is done.
        attributes: With what: `events` and `streams` of an append, `attempts` of a claim, and of a
            run `task_id`, `task_type`, `run_id`, `execution_id` and `attempt`.
    """

    kind: OperationKind
    attributes: Mapping[str, str | int]


@frozen(kw_only=True)
class OperationEnd:
    """
    Say how an operation ended.

    Attributes:
        duration: How long it took, by the monotonic clock.
        name: `ok`, or the name of the class of what was raised; of a run how its attempt ended,
            such as `succeeded` or `failed`.
        count: Events that were appended, read or folded, attempts that were claimed, events that a
            run leaves.
    """

    duration: Microseconds
    name: str
    count: int


class Observer(Protocol):
    """
    Look on at what a store and a scheduler do.

    The methods are called in the thread that acts, which may be any, and should be quick. What
    they raise is logged once for each observer, and hurts nobody.
    """

    def started(self, operation: Operation) -> None:
        """
        Be told that *operation* starts.
        """
        ...

    def ended(self, operation: Operation, outcome: OperationEnd) -> None:
        """
        Be told that *operation*, which was started, has ended.
        """
        ...


@define
class Tally:
    """
    Take down what an operation comes to while it goes on.
    """

    count: int = 0


class Observers:
    """
    Tell any number of observers; none costs nothing.

    Args:
        observers: Who is told, in this order.
        clock: Measures.

    Raises:
        TypeError: One is no observer.
    """

    def __init__(self, observers: Iterable[Observer] = (), clock: Clock | None = None) -> None:
        self._observers = tuple(observers)
        for one in self._observers:
            if not callable(getattr(one, "started", None)) or isinstance(one, type):
                raise TypeError(
                    f"{one!r} is no observer; give an object that has started and ended"
                )
        self._clock = SystemClock() if clock is None else clock
        self._failed: set[int] = set()
        self._lock = Lock()

    def __bool__(self) -> bool:
        return bool(self._observers)

    @contextmanager
    def around(
        self, kind: OperationKind, attributes: Mapping[str, str | int]
    ) -> Generator[Tally, None, None]:
        """
        Tell of what is done in the block; what it raises is its outcome, and is raised on.
        """
        tally, name = Tally(), "ok"
        operation, began = self.start(kind, attributes)
        try:
            yield tally
        except BaseException as error:
            name = type(error).__name__
            raise
        finally:
            self.end(operation, began, name, tally.count)

    def start(
        self, kind: OperationKind, attributes: Mapping[str, str | int]
    ) -> tuple[Operation, Microseconds]:
        """
        Tell that something starts; return it, and when that was.
        """
        operation = Operation(kind=kind, attributes=attributes)
        self._tell(lambda observer: observer.started(operation))
        return operation, self._clock.monotonic()

    def end(self, operation: Operation, began: Microseconds, name: str, count: int) -> None:
        """
        Tell that it has ended.
        """
        duration = Microseconds(self._clock.monotonic() - began)
        outcome = OperationEnd(duration=duration, name=name, count=count)
        self._tell(lambda observer: observer.ended(operation, outcome))

    def _tell(self, say: Callable[[Observer], None]) -> None:
        for observer in self._observers:
            try:
                say(observer)
            except Exception as error:  # noqa: BLE001 - whoever looks on hurts nobody
                self._report(observer, error)

    def _report(self, observer: Observer, error: Exception) -> None:
        with self._lock:
            is_first = id(observer) not in self._failed
            self._failed.add(id(observer))
        if is_first:
            _logger.warning(
                "observer failed",
                exc_info=error,
                extra={"observer": type(observer).__qualname__, "error": str(error)},
            )


NOBODY: Final = Observers()
"""Nobody looks on."""


class ObservedStore(StoreWrapper):
    """
    Pass every call on to another store, and tell observers of appends and reads.

    Waiting is not told: it takes as long as nothing happens.

    Args:
        store: Another store; it is closed with this one.
        observers: Who is told.
    """

    def __init__(self, store: EventStore, observers: Observers) -> None:
        super().__init__(store)
        self._observers = observers
        self._offers = {name: getattr(store, name) for name in _OFFERS if hasattr(store, name)}
        vars(self).update(self._offers)

    def append(
        self, *writes: Write, checkpoint: Checkpoint | None = None, key: str | None = None
    ) -> Appended:
        """
        Append as the other store does.
        """
        count = sum(len(write.events) for write in writes)
        with self._observers.around("append", {"streams": len(writes), "events": count}) as tally:
            answer = self._store.append(*writes, checkpoint=checkpoint, key=key)
            tally.count = count
            return answer

    def read(
        self,
        query: Query = ALL,
        *,
        after: int = 0,
        until: int | None = None,
        limit: int = 500,
        backwards: bool = False,
    ) -> Page:
        """
        Read as the other store does.
        """
        with self._observers.around("read", {}) as tally:
            page = self._store.read(
                query, after=after, until=until, limit=limit, backwards=backwards
            )
            tally.count = len(page.events)
            return page


def observed(store: EventStore, *observers: Observer, clock: Clock | None = None) -> EventStore:
    """
    Return a store that tells *observers* of its appends and reads.

    What the store offers beyond the port, such as leases, the returned one offers too. A scheduler
    takes its observers itself; its store need not be wrapped.

    Args:
        store: Any store.
        *observers: Who is told.
        clock: Measures; the system's where nothing is said.

    Example:
        >>> from azoth import ANY, NewEvent, Write, open_store
        >>> class Prints:
        ...     def started(self, operation):
        ...         pass
        ...     def ended(self, operation, outcome):
        ...         print(operation.kind, outcome.name, outcome.count)
        >>> store = observed(open_store("memory://"), Prints())
        >>> _ = store.append(Write("greeting-1", [NewEvent("Said", b"hello")], ANY))
        append ok 1
    """
    return ObservedStore(store, Observers(observers, clock))
