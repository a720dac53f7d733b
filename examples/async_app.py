"""
An application on an event loop: it does its own work, and a scheduler runs coroutines beside it.

Run it with `python examples/async_app.py`; it ends by itself.
"""

import asyncio

from attrs import frozen

from azoth import open_store
from azoth_scheduler import (
    AsyncExecutor,
    Immediate,
    Middleware,
    Scheduler,
    TaskContext,
    TaskEvent,
    task_handler,
)


@frozen
class Email:
    """
    Be what `send_email` is called with; it is kept as JSON.
    """

    to: str
    copies: int = 1


@task_handler("send_email", payload=Email, timeout=30)
async def send_email(ctx: TaskContext, email: Email) -> TaskEvent:
    """
    Send an e-mail; `ctx.run_id` would tell the mail server which ones it has already.
    """
    await asyncio.sleep(0.01)
    return TaskEvent("email_sent", f"{email.to}, {ctx.run_id}".encode())


@task_handler("hang", timeout=0.2, max_retries=1)
async def hang(_payload: bytes) -> None:
    """
    Never come back; at the deadline it is cancelled.
    """
    try:
        await asyncio.Event().wait()
    finally:
        print("hang was cancelled")


class Traced(Middleware):
    """
    Say what is under way.
    """

    def before(self, ctx: TaskContext) -> None:
        """
        Be called before each handler.
        """
        print(f"{ctx.task_id} begins")

    def after(self, ctx: TaskContext, result: object) -> None:
        """
        Be called after each one that succeeded.
        """
        print(f"{ctx.task_id} is done: {result}")


async def main() -> None:
    """
    Run a scheduler in the application's own loop until three tasks have ended.
    """
    with open_store("memory://") as store:
        scheduler = Scheduler(
            store, [send_email, hang], executor=AsyncExecutor(), middleware=[Traced()]
        )
        running = asyncio.create_task(scheduler.arun())
        requests = [
            send_email.request("mail-ada", Immediate(), Email("ada@example.org")),
            send_email.request("mail-bob", Immediate(), Email("bob@example.org", copies=2)),
            hang.request("stuck", Immediate(), b""),
        ]
        # From a coroutine the store is asked in a thread, so that the loop goes on.
        await asyncio.to_thread(scheduler.schedule_tasks, requests)
        await asyncio.to_thread(scheduler_is_done, scheduler)
        scheduler.shutdown()
        await running
        for task in scheduler.list_tasks():
            print(f"{task.task_id}: {task.last_outcome}")
        scheduler.close()


def scheduler_is_done(scheduler: Scheduler) -> None:
    """
    Wait until each task has an outcome.
    """
    store, head = scheduler.store, 0
    while any(task.last_outcome is None for task in scheduler.list_tasks()):
        head = store.wait(head, 1)


if __name__ == "__main__":
    asyncio.run(main())
