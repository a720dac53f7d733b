"""
Tasks that come again: by cron, in a time zone, and at an interval.

    python examples/cron_tasks.py [SECONDS] [sqlite:///data/azoth.db]

It runs for three seconds unless you say otherwise, then shows what ran and what is to come.
"""

import sys
from datetime import UTC, datetime
from threading import Timer

from azoth import open_store
from azoth_scheduler import (
    Cron,
    Interval,
    Scheduler,
    ScheduleTaskRequest,
    TaskContext,
    TaskEvent,
    TaskHandler,
    explain,
    lint,
)

REQUESTS = (
    # Six fields, the seconds first: second minute hour day-of-month month day-of-week.
    ScheduleTaskRequest("heartbeat", "say", Cron("* * * * * *"), b"alive"),
    # Half past two does not exist on one night of the year in Berlin; it then runs at three.
    ScheduleTaskRequest(
        "nightly-report", "say", Cron("0 30 2 * * *", tz="Europe/Berlin"), b"good night"
    ),
    # Five fields are the usual crontab, and mean second 0.
    ScheduleTaskRequest("weekday-mail", "say", Cron("0 9 * * MON-FRI"), b"good morning"),
    # On a fixed grid from the time of scheduling: a run that takes long shifts nothing.
    ScheduleTaskRequest("cleanup", "say", Interval(0.7), b"cleaned up"),
)


class SayHandler(TaskHandler):
    """
    Say what the task was scheduled with.
    """

    task_type = "say"

    def execute(self, ctx: TaskContext, payload: bytes) -> TaskEvent:
        """
        Say it, and leave it in the log.
        """
        print(f"{ctx.scheduled_at:%H:%M:%S.%f}  {ctx.task_id}: {payload.decode()}")
        return TaskEvent("said", payload)


def main(seconds: str = "3", url: str = "memory://") -> None:
    """
    Run the tasks for a while.
    """
    now = datetime.now(UTC)
    print(explain("0 30 2 * * *", tz="Europe/Berlin", now=now))
    for warning in lint("0 30 2 * * *", "Europe/Berlin", since=now):
        print(f"careful: {warning}")

    with open_store(url) as store, Scheduler(store, handlers=[SayHandler()]) as scheduler:
        scheduler.schedule_tasks(REQUESTS)
        # A server would leave this out, and call `shutdown` when it is told to end.
        Timer(float(seconds), scheduler.shutdown).start()
        scheduler.run()

        for task in scheduler.list_tasks():
            following = ", ".join(
                f"{when:%a %H:%M:%S}" for when in scheduler.forecast(task.task_id, 2)
            )
            print(f"{task.task_id}: {task.totals.succeeded} runs, next (UTC) {following}")


if __name__ == "__main__":
    main(*sys.argv[1:])
