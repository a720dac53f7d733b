"""
Dead letters: events about events that failed, to be listed, retried and dropped.
"""

from collections.abc import Callable
from typing import Any, Final

import pytest

from azoth import (
    ANY,
    DeadLetter,
    DeadLetterDropped,
    DeadLetters,
    Event,
    EventProcessor,
    EventStore,
    NewEvent,
    Query,
    Reaction,
    Write,
    WrongExpectedVersion,
    iterate,
)
from azoth._letters import error_of, letters
from azoth.testing import Fault, FaultyStore
from tests.core.bank import deposit
from tests.core.reacting import Noting, echo, fail_at

ADA: Final = "account-ada"
BOB: Final = "account-bob"


def by_stream(event: Event) -> str:
    """
    The key that keeps the order of each stream.
    """
    return event.stream


def failed(store: EventStore, *handlers: Noting, **options: Any) -> EventProcessor:  # noqa: ANN401
    """
    A processor that has caught up and set aside what failed.
    """
    defaults: dict[str, Any] = {"name": "p", "on_error": DeadLetter()}
    processor = EventProcessor(store, handlers, **(defaults | options))
    processor.catch_up()
    return processor


class Moody:
    """
    Fail at positions until somebody is forgiven.
    """

    def __init__(self, *positions: int) -> None:
        self.angry_at = set(positions)

    def __call__(self, event: Event) -> Reaction:
        if event.position in self.angry_at:
            raise RuntimeError(f"no luck at {event.position}")
        return echo(event)


def test_a_dead_letter_says_who_failed_at_what_and_how(store: EventStore) -> None:
    """
    With the error, its class and the end of its traceback.
    """
    deposit(store, ADA, 1)

    (letter,) = failed(store, Noting(then=fail_at(1))).dead_letters.list()

    assert (letter.id, letter.stream, letter.type) == ("1/noting", ADA, "Deposited")
    assert (letter.attempts, letter.key) == (1, None)
    (error,) = letter.errors
    assert (error.type, error.text) == ("builtins.RuntimeError", "no luck at 1")
    assert "fail_at" not in error.type
    assert "in then" in error.traceback


@pytest.mark.rule("E-15")
def test_a_retry_runs_the_handler_again(store: EventStore) -> None:
    """
    What it wrote and the end of the letter are one append.
    """
    deposit(store, ADA, 1)
    moody = Moody(1)
    handler = Noting(then=moody)
    dead = failed(store, handler).dead_letters
    moody.angry_at.clear()

    assert dead.retry("1/noting")

    assert handler.seen == [1, 1]
    assert [event.type for event in iterate(store, after=2)] == ["Echoed", "DeadLetterSettled"]
    assert dead.list() == []


@pytest.mark.rule("E-14")
def test_a_retry_that_fails_adds_to_the_history_of_errors(store: EventStore) -> None:
    """
    Nothing of what went wrong is lost.
    """
    deposit(store, ADA, 1)
    dead = failed(store, Noting(then=fail_at(1))).dead_letters

    assert not dead.retry("1/noting")
    assert not dead.retry("1/noting")

    (letter,) = dead.list()
    assert letter.attempts == 3
    assert [error.text for error in letter.errors] == ["no luck at 1"] * 3


@pytest.mark.rule("E-14")
def test_processors_and_handlers_have_their_own_letters(store: EventStore) -> None:
    """
    The same event may be one of several, and each is retried by its own handler.
    """
    deposit(store, ADA, 1)
    one, two = Noting("one", then=fail_at(1)), Noting("two", then=fail_at(1))
    first = failed(store, one, two, name="p").dead_letters
    second = failed(store, Noting("one", then=fail_at(1)), name="q").dead_letters

    assert [letter.id for letter in first.list()] == ["1/one", "1/two"]
    assert [letter.id for letter in second.list()] == ["1/one"]
    first.retry("1/two")
    assert (one.seen, two.seen) == ([1], [1, 1])


def test_a_letter_may_be_dropped(store: EventStore) -> None:
    """
    With a reason, which stays in the log.
    """
    deposit(store, ADA, 1)
    dead = failed(store, Noting(then=fail_at(1))).dead_letters

    dead.drop("1/noting", "a test account")

    assert dead.list() == []
    (event,) = iterate(store, Query(types=["DeadLetterDropped"]))
    assert letters.decode(event) == DeadLetterDropped(
        handler="noting", position=1, reason="a test account"
    )


@pytest.mark.parametrize("act", [DeadLetters.retry, DeadLetters.drop])
def test_a_letter_that_is_not_open_is_an_error(
    store: EventStore, act: Callable[[DeadLetters, str], object]
) -> None:
    """
    Whether it was settled, dropped, or never there.
    """
    deposit(store, ADA, 1)
    dead = failed(store, Noting(then=fail_at(1))).dead_letters
    dead.drop("1/noting")

    for letter_id in ("1/noting", "9/noting", ""):
        with pytest.raises(LookupError, match="no open dead letter"):
            act(dead, letter_id)


def test_a_letter_without_its_handler_cannot_be_retried(store: EventStore) -> None:
    """
    It can be listed and dropped without any handler.
    """
    deposit(store, ADA, 1)
    failed(store, Noting(then=fail_at(1)))
    dead = DeadLetters(store, "p")

    with pytest.raises(LookupError, match="no handler 'noting'"):
        dead.retry("1/noting")

    assert [letter.id for letter in dead.list()] == ["1/noting"]


def test_two_retries_at_the_same_time_write_once(store: EventStore) -> None:
    """
    The slower one finds the letter settled.
    """
    deposit(store, ADA, 1)
    moody = Moody(1)
    processor = failed(store, Noting(then=moody))
    moody.angry_at.clear()
    other = DeadLetters(store, "p", [Noting(then=echo)])

    def overtaken(event: Event) -> Reaction:
        if other.list():
            other.retry("1/noting")
        return echo(event)

    slow = DeadLetters(store, "p", [Noting(then=overtaken)])

    with pytest.raises(LookupError):
        slow.retry("1/noting")
    assert slow.retry_all() == 0

    assert len(list(iterate(store, Query(types=["Echoed"])))) == 1
    assert processor.dead_letters.list() == []


def test_of_two_who_retry_everything_each_letter_is_settled_by_one(store: EventStore) -> None:
    """
    Neither fails because of the other.
    """
    deposit(store, ADA, 1, 2)
    failed(store, Noting(then=fail_at(1, 2)))
    other = DeadLetters(store, "p", [Noting(then=echo)])

    def overtaken(event: Event) -> Reaction:
        other.retry_all()
        return echo(event)

    assert DeadLetters(store, "p", [Noting(then=overtaken)]).retry_all() == 0
    assert len(list(iterate(store, Query(types=["Echoed"])))) == 2


def test_to_retry_everything_without_the_handlers_is_an_error(store: EventStore) -> None:
    """
    Nothing would be retried in silence.
    """
    deposit(store, ADA, 1)
    failed(store, Noting(then=fail_at(1)))

    with pytest.raises(LookupError, match="no handler 'noting'"):
        DeadLetters(store, "p").retry_all()


def test_a_retry_gives_up_after_so_many_lost_races(store: EventStore) -> None:
    """
    The conflict is raised, and the letter is still open.
    """
    deposit(store, ADA, 1)
    failed(store, Noting(then=fail_at(1)))
    contended = FaultyStore(store, appends=lambda _: Fault.CONFLICT)
    dead = DeadLetters(contended, "p", [Noting(then=echo)])

    with pytest.raises(WrongExpectedVersion):
        dead.retry("1/noting")

    assert contended.appended == 10
    assert len(dead.list()) == 1


@pytest.mark.rule("E-19")
def test_every_open_letter_is_retried_however_many_fail(store: EventStore) -> None:
    """
    Old ones that go on failing hold up no newer one.
    """
    deposit(store, ADA, *[1] * 150)
    moody = Moody(*range(1, 151))
    dead = failed(store, Noting(then=moody)).dead_letters
    moody.angry_at -= set(range(101, 151))

    assert dead.retry_all() == 50

    assert [letter.position for letter in dead.list()] == list(range(1, 101))


@pytest.mark.rule("E-16")
def test_behind_a_dead_letter_later_events_of_its_key_wait(store: EventStore) -> None:
    """
    The close of an account is not handled before the deposit that failed.
    """
    deposit(store, ADA, 1)
    deposit(store, BOB, 1)
    deposit(store, ADA, 2)
    moody = Moody(1)
    handler = Noting(then=moody)
    processor = failed(store, handler, park_by=by_stream)

    assert handler.seen == [1, 2]
    assert [(letter.position, letter.attempts) for letter in processor.dead_letters.list()] == [
        (1, 1),
        (3, 0),
    ]
    with pytest.raises(ValueError, match="waits behind '1/noting'"):
        processor.dead_letters.retry("3/noting")

    moody.angry_at.clear()
    assert processor.dead_letters.retry_all() == 2
    deposit(store, ADA, 3)
    processor.catch_up()
    assert handler.seen[:4] == [1, 2, 1, 3]
    assert len(handler.seen) == 5


@pytest.mark.rule("E-16")
def test_what_waits_behind_a_letter_that_fails_again_is_left_alone(store: EventStore) -> None:
    """
    Until the first one is settled or dropped.
    """
    deposit(store, ADA, 1, 2)
    deposit(store, BOB, 1)
    moody = Moody(1, 3)
    dead = failed(store, Noting(then=moody), park_by=by_stream).dead_letters
    moody.angry_at = {1}

    assert dead.retry_all() == 1
    assert [letter.id for letter in dead.list()] == ["1/noting", "2/noting"]

    dead.drop("1/noting")
    assert dead.retry_all() == 1
    assert dead.list() == []


@pytest.mark.rule("E-16")
@pytest.mark.parametrize("commit_every", [1, 9])
def test_a_letter_that_is_settled_while_an_event_is_parked_is_noticed(
    store: EventStore, commit_every: int
) -> None:
    """
    Else the event would wait behind nothing.
    """
    deposit(store, ADA, 1)
    moody = Moody(1)
    handler = Noting(then=moody)
    failed(store, handler, park_by=by_stream)
    moody.angry_at.clear()
    position = deposit(store, ADA, 2)

    class Settling(FaultyStore):
        def append(self, *writes: Write, **rest: Any) -> Any:  # noqa: ANN401 - the port's
            if self.appended == 0:
                DeadLetters(store, "p", [handler]).retry_all()
            return super().append(*writes, **rest)

    late = failed(
        Settling(store), handler, park_by=by_stream, commit_every=commit_every
    ).dead_letters

    assert late.list() == []
    assert handler.seen == [1, 1, position]


@pytest.mark.rule("E-16")
def test_parking_is_remembered_by_the_log(store: EventStore) -> None:
    """
    A restart parks what the runner before it would have parked.
    """
    deposit(store, ADA, 1)
    failed(store, Noting(then=fail_at(1)), park_by=by_stream)
    position = deposit(store, ADA, 2)
    handler = Noting(then=echo)

    dead = failed(store, handler, park_by=by_stream).dead_letters

    assert handler.seen == []
    assert [letter.position for letter in dead.list()] == [1, position]


def test_events_about_letters_that_cannot_be_read_are_passed_over(store: EventStore) -> None:
    """
    A newer program may have written them; so may letters come twice, or end without a beginning.
    """
    deposit(store, ADA, 1)
    dead = failed(store, Noting(then=fail_at(1))).dead_letters
    strange = [
        NewEvent("DeadLettered", b"?"),
        NewEvent("Novelty", b"{}"),
        NewEvent("DeadLetterSettled", b'{"handler":"noting","position":7}'),
        NewEvent(
            "DeadLetterFailed",
            b'{"handler":"noting","position":7,"error":{"type":"E","text":""}}',
        ),
    ]
    store.append(Write("$dead-p", strange, ANY))

    assert [letter.id for letter in dead.list()] == ["1/noting"]


def test_an_error_that_cannot_be_shown_is_kept_by_its_class() -> None:
    """
    Its own code runs when it is shown, and a lone surrogate cannot be written.
    """

    class Rude(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    rude, odd = error_of(Rude()), error_of(ValueError("\ud800"))

    assert rude.text == "(its text could not be made)"
    assert odd.text == "\\ud800"
    assert error_of(ValueError("x" * 10**6)).text == "x" * 16 * 1024
