"""
Drive event handlers: a named durable checkpoint, and what they return in the same commit.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from threading import Event as Flag
from threading import RLock
from typing import Final, cast

from attrs import frozen

from azoth._attempts import attempt
from azoth._commits import Commits
from azoth._letter_box import LetterBox
from azoth._letters import DeadLettered, error_of, letters
from azoth._outbox import Outbox
from azoth.dead_letters import DeadLetters
from azoth.errors import CheckpointAhead, UnknownEventType
from azoth.events import ALL, Event, Query, Write, check_integer
from azoth.following import PAGE_SIZE, Stop, wait_for_more
from azoth.handlers import SYSTEM, EventHandler
from azoth.policies import ErrorPolicy, FailFast, Failure
from azoth.projector import SAVE_EVERY
from azoth.store import EventStore
from azoth.streams import ANY, WrongExpectedVersion

__all__ = ["BATCH_MAX", "EventProcessor"]

BATCH_MAX: Final = 1_000
"""Events of one commit: so many handlers may run again after a crash."""


@frozen
class _Handled:
    # One event that all its handlers are done with, and what they wrote.
    event: Event
    reactions: Mapping[str, Sequence[Write]]
    dead: Sequence[DeadLettered]


class EventProcessor:
    """
    Run handlers for the events of a log, each event once as far as the log shows.

    What a handler returns, the dead letters and the checkpoint are one append: after a crash the
    handlers of events that were not committed run again, and nothing is in the log twice. A second
    runner of the same name is fenced: one of the two gets a `CheckpointConflict` and must stop.

    Args:
        store: The log.
        handlers: At least one; of several for one type, each runs once, in this order.
        name: Names the checkpoint, for ever; two processors need two names.
        on_error: What to do when a handler fails: `FailFast`, `Skip`, `Retry`, `DeadLetter`, or any
            function from `Failure` to `Action`.
        query: A stream or category to keep to; the types are those of the handlers.
        strict: Raise `UnknownEventType` at a type that no handler wants, the system's own aside.
        park_by: Returns a key, such as `lambda event: event.stream`. Behind a dead letter, later
            events of its key are set aside unhandled, so that their order is kept.
        commit_every: Events of one commit. More are faster, and more handlers run again after a
            crash.
        page_size: How many events are held in memory.

    Raises:
        TypeError: Something that is no handler or no policy is given.
        ValueError: Two handlers have one name, or there is none.
    """

    def __init__(
        self,
        store: EventStore,
        handlers: Sequence[EventHandler],
        *,
        name: str,
        on_error: ErrorPolicy | None = None,
        query: Query = ALL,
        strict: bool = False,
        park_by: Callable[[Event], str] | None = None,
        commit_every: int = 1,
        page_size: int = PAGE_SIZE,
    ) -> None:
        self._store = store
        self._handlers = _checked_handlers(handlers)
        # Asked for once: a handler may look its types up.
        self._wanted = [(handler, tuple(handler.types)) for handler in self._handlers]
        self._name = name
        self._on_error = _checked_policy(FailFast() if on_error is None else on_error)
        self._strict = strict
        self._park_by = park_by
        self._commit_every = check_integer(commit_every, "commit_every", low=1, high=BATCH_MAX)
        self._page_size = check_integer(page_size, "page_size", low=1)
        self._query = _query_of(query, [types for _, types in self._wanted], strict=strict)
        self._lock = RLock()
        self._box = LetterBox(name)
        self._commits = Commits(store, name)
        self._is_loaded = False
        self._cursor = 0
        self._outbox = Outbox()
        self._pending: list[_Handled] = []
        # After a lost race: up to where events are committed one by one, and who lost.
        self._one_by_one = 0
        self._lost: dict[str, Failure] = {}

    @property
    def name(self) -> str:
        """
        Return the name of the checkpoint.
        """
        return self._name

    @property
    def position(self) -> int:
        """
        Return the position that is saved.
        """
        return self._store.checkpoint(self._name)

    @property
    def dead_letters(self) -> DeadLetters:
        """
        Return what lists, retries and drops the dead letters.
        """
        return DeadLetters(self._store, self._name, self._handlers)

    def lag(self) -> int:
        """
        Return how many positions lie between the checkpoint and the head.
        """
        return max(0, self._store.wait(0, 0) - self.position)

    def catch_up(self, stop: Stop | None = None) -> int:
        """
        Handle what the log holds now, save how far that was, and return it.

        Raises:
            CheckpointConflict: Another runner of this name is at work.
            Exception: What a handler raised, if the policy says so; what came before is saved.
        """
        stop, end = stop or Flag(), self._store.wait(0, 0)
        with self._lock:
            while not stop.is_set() and self._step(stop, end) is None:
                pass
            return self._commits.position

    def run(self, stop: Stop) -> None:
        """
        Handle what is appended until *stop* is set; the waits end at once when it is.

        Raises:
            CheckpointConflict: Another runner of this name is at work.
            Exception: What a handler raised, if the policy says so; what came before is saved.
        """
        while not stop.is_set():
            head = self._step(stop, None)
            if head is not None:
                wait_for_more(self._store, head, stop)
        with self._guarded():
            self._commit(stop)

    def _step(self, stop: Stop, until: int | None) -> int | None:
        """
        Handle one page; return the head if that was all there is.
        """
        with self._guarded():
            if not self._is_loaded:
                self._resume()
            page = self._store.read(
                self._query, after=self._cursor, until=until, limit=self._page_size
            )
            if page.head < self._cursor:
                raise CheckpointAhead(consumer=self._name, position=self._cursor, head=page.head)
            for event in page.events:
                if stop.is_set() or not self._handle(event, stop):
                    self._commit(stop)
                    return None
            self._cursor = page.next_after
            # What did not match is saved now and then only, so that it costs next to nothing.
            is_due = until is not None or self._cursor - self._commits.position >= SAVE_EVERY
            if (self._pending or is_due) and not self._commit(stop):
                return None
            return None if page.more else max(self._cursor, page.head)

    @contextmanager
    def _guarded(self) -> Generator[None, None, None]:
        with self._lock:
            try:
                yield
            except BaseException:
                # What the next call goes on from is what is saved.
                self._is_loaded = False
                self._one_by_one = 0
                self._lost = {}
                self._clear()
                raise

    def _handle(self, event: Event, stop: Stop) -> bool:
        """
        Run the handlers of *event*; say whether to go on with the one behind it.
        """
        try:
            handled = self._react(event, stop)
        except (Exception, SystemExit):
            # The events before it are done with.
            self._commit(stop)
            raise
        if handled is None:
            return False
        writes = [write for reaction in handled.reactions.values() for write in reaction]
        if not self._outbox.fits(writes) and not self._commit(stop):
            return False
        self._outbox.add(writes)
        self._pending.append(handled)
        self._cursor = event.position
        is_full = len(self._pending) >= self._commit_every or bool(handled.dead)
        return self._commit(stop) if is_full or self._cursor <= self._one_by_one else True

    def _react(self, event: Event, stop: Stop) -> _Handled | None:
        reactions: dict[str, Sequence[Write]] = {}
        dead: list[DeadLettered] = []
        outbox = Outbox()
        for handler in self._wanting(event):
            if self._is_parked(handler, event):
                dead.append(self._dead(handler, event, None))
                continue
            lost = self._lost.get(handler.name)
            outcome = attempt(handler, event, self._on_error, stop=stop, outbox=outbox, lost=lost)
            if outcome is None:
                return None
            if isinstance(outcome, Failure):
                dead.append(self._dead(handler, event, outcome))
            else:
                outbox.add(outcome)
                reactions[handler.name] = outcome
        return _Handled(event, reactions, dead)

    def _wanting(self, event: Event) -> Sequence[EventHandler]:
        if event.stream == self._box.stream:
            return ()
        is_system = event.stream.startswith(SYSTEM)
        wanting = [
            handler
            for handler, types in self._wanted
            if (event.type in types if types else not is_system)
        ]
        if self._strict and not wanting and not is_system:
            raise UnknownEventType(type=event.type, position=event.position)
        return wanting

    def _is_parked(self, handler: EventHandler, event: Event) -> bool:
        if self._park_by is None:
            return False
        # What was settled meanwhile shows when the letter is appended, at the version known here.
        return self._box.has_open(handler.name, self._park_by(event))

    def _dead(self, handler: EventHandler, event: Event, failure: Failure | None) -> DeadLettered:
        return DeadLettered(
            handler=handler.name,
            position=event.position,
            stream=event.stream,
            type=event.type,
            attempts=0 if failure is None else failure.attempt,
            key=None if self._park_by is None else self._park_by(event),
            error=None if failure is None else error_of(failure.error),
        )

    def _commit(self, stop: Stop) -> bool:
        """
        Save what was handled; say whether it is, or has to be handled again after a lost race.
        """
        if not self._is_loaded or self._cursor == self._commits.position:
            return True
        dead = [letters.encode(letter) for done in self._pending for letter in done.dead]
        # Only where order is kept does it matter who settled what meanwhile.
        expected = ANY if self._park_by is None else self._box.version
        last = [Write(self._box.stream, dead, expected)] if dead else []
        try:
            self._commits.save([*self._outbox.writes, *last], self._cursor, stop)
        except WrongExpectedVersion as stale:
            self._rewind(stale)
            return False
        self._clear()
        self._lost = {}
        if dead and self._park_by is not None:
            self._box.refresh(self._store)
        return True

    def _rewind(self, stale: WrongExpectedVersion) -> None:
        if len(self._pending) == 1:
            self._count_losses(self._pending[0], stale)
        self._one_by_one = self._cursor
        self._cursor = self._commits.position
        self._clear()
        self._box.refresh(self._store)

    def _count_losses(self, handled: _Handled, stale: WrongExpectedVersion) -> None:
        streams = [write.stream for write in stale.failures]
        for name, writes in handled.reactions.items():
            if any(write.stream in streams for write in writes):
                before = self._lost.get(name)
                number = 1 if before is None else before.attempt + 1
                self._lost[name] = Failure(
                    event=handled.event, handler=name, attempt=number, error=stale
                )

    def _resume(self) -> None:
        self._cursor = self._commits.load()
        self._is_loaded = True
        if self._park_by is not None:
            self._box.refresh(self._store)

    def _clear(self) -> None:
        self._outbox = Outbox()
        self._pending = []


def _checked_handlers(handlers: Sequence[EventHandler]) -> tuple[EventHandler, ...]:
    names: list[str] = []
    for handler in handlers:
        if isinstance(handler, type):
            raise TypeError(f"{handler!r} is a class; give an instance: {handler.__name__}()")
        if not isinstance(handler, EventHandler):
            raise TypeError(f"{handler!r} is no event handler: it needs name, types and handle")
        if isinstance(handler.types, str):
            raise TypeError(f"types of {handler.name!r} are a sequence; write ({handler.types!r},)")
        if handler.name in names:
            raise ValueError(
                f"two handlers have the name {handler.name!r}; dead letters tell them apart by it"
            )
        names.append(handler.name)
    if not names:
        raise ValueError("a processor needs at least one handler")
    return tuple(handlers)


def _checked_policy(policy: object) -> ErrorPolicy:
    if not callable(policy) or isinstance(policy, type):
        raise TypeError(f"on_error is a policy such as FailFast(), not {policy!r}")
    return cast("ErrorPolicy", policy)


def _query_of(query: Query, types: Sequence[Sequence[str]], *, strict: bool) -> Query:
    if query.types:
        raise ValueError("the query of a processor names no types; its handlers do")
    if strict or not all(types):
        return query
    names = dict.fromkeys(name for wanted in types for name in wanted)
    return Query(query.stream, query.category, tuple(names))
