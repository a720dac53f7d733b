"""
Handlers that are functions: what they are called with, and what is refused before they are.
"""

import asyncio
import pickle
from pathlib import Path

import pytest
from attrs import frozen

from azoth_scheduler import (
    Immediate,
    Interval,
    InvalidTask,
    ProcessExecutor,
    RetryPolicy,
    Scheduler,
    ScheduleTaskRequest,
    TaskContext,
    TaskEvent,
    TaskExecuted,
    ThreadExecutor,
    task_handler,
)
from azoth_scheduler.handlers import Handlers
from tests.support.acts import Marks
from tests.support.stage import Stage, request, running, task


@frozen
class Address:
    """
    Be a part of an e-mail.
    """

    zip: int


@frozen
class Email:
    """
    Be what a handler is called with.
    """

    to: str
    address: Address = Address(0)


@task_handler("send_email", payload=Email, max_retries=7, timeout=60)
def send_email(ctx: TaskContext, email: Email) -> TaskEvent:
    """
    Say whom it was sent to.
    """
    return TaskEvent("email_sent", f"{email.to} {ctx.attempt}".encode())


@task_handler("send_later", payload=Email)
async def send_later(email: Email) -> TaskEvent:
    """
    Do the same on an event loop.
    """
    await asyncio.to_thread(int)
    return TaskEvent("email_sent", email.to.encode())


@task_handler("shout")
def shout(payload: bytes) -> TaskEvent:
    """
    Take bytes as they are.
    """
    return TaskEvent("shouted", payload.upper())


def made(stage: Stage) -> list[bytes]:
    """
    Return what handlers wrote.
    """
    return [entry.event.data for entry in stage.log() if not entry.event.stream.startswith("$")]


def test_a_function_is_called_with_its_context_and_its_payload(stage: Stage) -> None:
    """
    The payload is an instance again; one that takes no context gets none.
    """
    scheduler = stage.scheduler(send_email, shout)
    scheduler.schedule_task(send_email.request("a", Immediate(), Email("ada", Address(7))))
    scheduler.schedule_task(shout.request("b", Immediate(), b"hello"))

    scheduler.run_pending()

    assert made(stage) == [b"ada 1", b"HELLO"]


def test_a_coroutine_function_is_awaited(stage: Stage) -> None:
    """
    On the loop beside the threads.
    """
    scheduler = stage.scheduler(send_later, executor=ThreadExecutor())
    scheduler.schedule_task(send_later.request("a", Immediate(), Email("ada")))

    with running(scheduler):
        stage.wait_for(TaskExecuted)

    assert made(stage) == [b"ada"]


def test_what_the_decorator_says_is_the_default_of_its_tasks(stage: Stage) -> None:
    """
    As the attributes of a class would be.
    """
    scheduler = stage.scheduler(send_email)
    scheduler.schedule_task(send_email.request("a", Interval(60), Email("ada")))
    scheduler.schedule_task(send_email.request("b", Interval(60), Email("ada"), max_retries=2))

    assert (task(scheduler).max_retries, task(scheduler).timeout.total_seconds()) == (7, 60)
    assert task(scheduler, "b").max_retries == 2


def test_the_same_payload_again_is_no_edit(stage: Stage) -> None:
    """
    It has one encoding.
    """
    scheduler = stage.scheduler(send_email)
    for _ in range(2):
        scheduler.schedule_task(send_email.request("a", Interval(60), Email("ada", Address(7))))

    assert stage.types("a") == ["Scheduled"]


def test_a_payload_that_does_not_fit_is_refused_with_the_path_of_the_field(stage: Stage) -> None:
    """
    Whether it comes as an instance or as bytes; nothing is written.
    """
    wrong = Email("ada", Address("x"))  # type: ignore[arg-type] # what users do
    with pytest.raises(InvalidTask, match=r"'a': payload of 'send_email': .*data\.address\.zip"):
        send_email.request("a", Immediate(), wrong)
    with pytest.raises(InvalidTask, match="is no Email"):
        send_email.encode("ada")  # type: ignore[arg-type] # likewise

    data = b'{"to":"ada","address":{"zip":"x"}}'
    scheduler = stage.scheduler(send_email)
    with pytest.raises(InvalidTask, match=r"data\.address\.zip"):
        scheduler.schedule_task(ScheduleTaskRequest("a", "send_email", Immediate(), data))
    assert stage.head() == 0


def test_a_payload_that_a_client_did_not_check_is_the_failure_of_its_attempt(
    stage: Stage,
) -> None:
    """
    With the same words.
    """
    Scheduler(stage.store, clock=stage.clock).schedule_task(
        request("a", task_type="send_email", payload=b"[]")
    )
    scheduler = stage.scheduler(send_email)

    scheduler.run_pending()

    assert "no JSON object but []" in (task(scheduler).last_error or "")


def test_a_handler_can_be_called_as_the_function_that_it_was() -> None:
    """
    A test of it needs no scheduler.
    """
    assert shout(b"hi") == TaskEvent("shouted", b"HI")
    assert shout.__name__ == "shout"
    assert shout.__doc__ is not None
    assert "Take bytes" in shout.__doc__
    assert repr(shout).endswith("test_functions.shout>")


def test_a_handler_crosses_into_a_process_by_its_name() -> None:
    """
    One that no import finds is refused.
    """

    @task_handler("local")
    def local(payload: bytes) -> None: ...

    assert pickle.loads(pickle.dumps(shout)) is shout
    with pytest.raises(InvalidTask, match="'local' cannot cross into a process"):
        ProcessExecutor(1).check_handlers(Handlers([local]))


def test_what_cannot_be_a_handler_is_refused_where_it_is_written() -> None:
    """
    Not when its first task is due.
    """
    with pytest.raises(InvalidTask, match="hyphen"):
        task_handler("send-email")
    with pytest.raises(TypeError, match="nothing has 0 parameters"):

        @task_handler("nothing")  # type: ignore[arg-type] # what users do
        def nothing() -> None: ...

    with pytest.raises(TypeError):
        task_handler("odd", payload=complex)


def test_a_policy_may_be_given_in_full(stage: Stage) -> None:
    """
    Giving both is refused, as of any handler.
    """

    @task_handler("once", retry=RetryPolicy(max_attempts=1))
    def once(payload: bytes) -> None:
        raise ValueError("boom")

    @task_handler("both", retry=RetryPolicy(max_attempts=1), max_retries=1)
    def both(payload: bytes) -> None: ...

    scheduler = stage.scheduler(once)
    scheduler.schedule_task(once.request("a", Immediate(), b""))
    scheduler.run_pending()

    assert task(scheduler).status == "disabled"
    with pytest.raises(InvalidTask, match="say the same"):
        stage.scheduler(both)


def test_a_scheduler_puts_its_middleware_around_each_attempt(stage: Stage, tmp_path: Path) -> None:
    """
    The first is the outermost.
    """
    file = tmp_path / "marks"
    scheduler = stage.scheduler(shout, middleware=[Marks(file, "a"), Marks(file, "b")])
    scheduler.schedule_task(shout.request("a", Immediate(), b""))
    scheduler.run_pending()

    assert file.read_text().splitlines() == ["a before", "b before", "b after", "a after"]
    with pytest.raises(TypeError, match="is no middleware"):
        stage.scheduler(shout, middleware=[Marks])
