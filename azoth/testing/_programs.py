"""
What the children of the suite do; each program opens the store at a URL and prints what it sees.
"""

import os
import sys
from collections.abc import Callable
from typing import Final

from azoth.clocks import Instant
from azoth.errors import StoreFailed
from azoth.events import NewEvent, Write
from azoth.store import EventStore, LeaseStore
from azoth.streams import ANY, WrongExpectedVersion
from azoth.urls import open_store

__all__ = ["append", "append_for_ever", "contend", "follow", "fork", "lease", "look", "wait"]


def append(url: str, stream: str, count: str) -> None:
    """
    Append so many events to *stream*, at the versions it must have, when told to.
    """
    with open_store(url) as store:
        _ready()
        for version in range(int(count)):
            answer = store.append(Write(stream, [NewEvent("t", b"%d" % version)], version))
            _say(answer.first)


def contend(url: str, stream: str, count: str) -> None:
    """
    Win so many versions of *stream* against others, and print each.
    """
    with open_store(url) as store:
        _ready()
        version = won = 0
        while won < int(count):
            try:
                store.append(Write(stream, [NewEvent("t", b"")], version))
            except WrongExpectedVersion as refused:
                version = refused.failures[0].actual
            else:
                version, won = version + 1, won + 1
                _say(version)


def append_for_ever(url: str, stream: str) -> None:
    """
    Append batches of three under keys, and print each number before it and again after it.
    """
    with open_store(url) as store:
        number = 0
        while True:
            number += 1
            events = [NewEvent("t", b"%d/%d" % (number, place)) for place in range(3)]
            _say("try", number)
            store.append(Write(stream, events, ANY), key=f"{stream}-{number}")
            _say("done", number)


def follow(url: str, until: str) -> None:
    """
    Read on to *until* as others append, and print each position.
    """
    with open_store(url) as store:
        _ready()
        after = 0
        while after < int(until):
            page = store.read(after=after, limit=7)
            assert all(event.position <= page.head for event in page.events)
            for event in page.events:
                _say(event.position, event.stream, event.version)
            after = page.next_after
            if not page.more and after < int(until):
                store.wait(after)


def look(url: str, times: str) -> None:
    """
    Print the head whenever told to.
    """
    with open_store(url) as store:
        _say("ready")
        for _ in range(int(times)):
            sys.stdin.readline()
            _say(store.read(limit=1, backwards=True).head)


def wait(url: str, after: str) -> None:
    """
    Wait for the head to exceed *after*, and print it.
    """
    with open_store(url) as store:
        _say("ready")
        _say(store.wait(int(after)))


def lease(url: str, *workers: str) -> None:
    """
    Renew the leases of *workers*, print the answers, and live until told to go.
    """
    with open_store(url) as store:
        assert isinstance(store, LeaseStore)
        for worker in workers:
            _say(store.renew(worker, Instant(1)))
        _ready()


def fork(url: str) -> None:
    """
    Use one store object on both sides of a fork, and print what each side gets.
    """
    store = open_store(url)
    store.append(Write("a", [NewEvent("parent", b"")], ANY))
    store.wait(0)
    child = os.fork()
    if child == 0:
        _say("child", *_try_append(store, "child"))
        store.close()
        os._exit(0)
    os.waitpid(child, 0)
    _say("parent", *_try_append(store, "parent"))
    _say(*(event.type for event in store.read().events))
    store.close()


def _try_append(store: EventStore, type: str) -> tuple[object, ...]:
    try:
        answer = store.append(Write("a", [NewEvent(type, b"")], ANY))
        return answer.first, store.read().head, store.wait(0), store.checkpoint("c")
    except StoreFailed:
        return ("failed",)


def _say(*words: object) -> None:
    print(*words, flush=True)  # noqa: T201 - the parent reads it


def _ready() -> None:
    _say("ready")
    sys.stdin.readline()


_PROGRAMS: Final[dict[str, Callable[..., None]]] = {
    program.__name__: program
    for program in (append, append_for_ever, contend, follow, fork, lease, look, wait)
}

if __name__ == "__main__":
    _PROGRAMS[sys.argv[1]](*sys.argv[2:])
