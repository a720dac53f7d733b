"""
A first program: two handlers, a few tasks, and somebody who reacts to what the tasks did.

    python examples/basic_scheduler.py [sqlite:///data/azoth.db]

It makes three reports. Each report is an event in the log; an event handler sees it and schedules
an e-mail. The first e-mail fails and is tried again. The program ends when all are sent.
"""

import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from threading import Event as Flag
from threading import Thread

from azoth import Event, EventProcessor, open_store
from azoth_scheduler import (
    Immediate,
    InvalidTask,
    OneTime,
    RetryPolicy,
    Scheduler,
    ScheduleTaskRequest,
    TaskContext,
    TaskEvent,
    TaskFilter,
    TaskHandler,
)

TITLES = ("sales", "stock", "staff")


class ReportHandler(TaskHandler):
    """
    Make a report.
    """

    task_type = "generate_report"

    def validate(self, payload: bytes) -> None:
        """
        Refuse what is no report while it is being scheduled, before anything is written.
        """
        if "title" not in json.loads(payload):
            raise InvalidTask(reason='a report needs a title: {"title": "sales"}')

    def execute(self, ctx: TaskContext, payload: bytes) -> TaskEvent:
        """
        Return the report as an event: it is in the log with this attempt's outcome, or not at all.
        """
        title = json.loads(payload)["title"]
        print(f"making the {title} report, due {ctx.scheduled_at:%H:%M:%S.%f} UTC")
        return TaskEvent("report_generated", json.dumps({"title": title}).encode())


class EmailHandler(TaskHandler):
    """
    Send an e-mail, to a server that refuses the first attempt for the sales report.
    """

    task_type = "send_email"
    # A request may say otherwise; the default is 1, 2, 4 … minutes.
    retry = RetryPolicy(max_attempts=3, base=0.2)

    def execute(self, ctx: TaskContext, payload: bytes) -> TaskEvent:
        """
        Send it; `ctx.run_id` is the same for each attempt, so a server can tell a repeated one.
        """
        title = json.loads(payload)["title"]
        if title == "sales" and ctx.attempt == 1:
            raise ConnectionError("the mail server is busy")
        print(f"sent the {title} report in attempt {ctx.attempt} of {ctx.run_id}")
        return TaskEvent("email_sent", payload)


class MailReports:
    """
    React to what tasks did: mail each report, and end the program when all are sent.
    """

    name = "mail-reports"
    types: Sequence[str] = ("report_generated", "email_sent")

    def __init__(self, scheduler: Scheduler) -> None:
        self.scheduler = scheduler

    def handle(self, event: Event) -> None:
        """
        React to one event; after a crash it may come again, so what we do has an id from it.
        """
        if event.type == "report_generated":
            title = json.loads(event.data)["title"]
            request = ScheduleTaskRequest(f"mail-{title}", "send_email", Immediate(), event.data)
            self.scheduler.schedule_task(request)
        sent = self.scheduler.list_tasks(TaskFilter(task_type="send_email", enabled=False))
        if len(sent) == len(TITLES):
            self.scheduler.shutdown()


def main(url: str = "memory://") -> None:
    """
    Schedule the reports and run until all e-mails are sent.
    """
    handlers = [ReportHandler(), EmailHandler()]
    with open_store(url) as store, Scheduler(store, handlers) as scheduler:
        for number, title in enumerate(TITLES):
            # The same definition again is a no-op, so a program schedules whenever it starts.
            soon = datetime.now(UTC) + timedelta(seconds=0.3)
            schedule = Immediate() if number == 0 else OneTime(soon)
            payload = json.dumps({"title": title}).encode()
            scheduler.schedule_task(
                ScheduleTaskRequest(f"report-{title}", "generate_report", schedule, payload)
            )

        # Its checkpoint is in the log, under its name: it goes on where it was, also after a crash.
        processor, stop = EventProcessor(store, [MailReports(scheduler)], name="mail"), Flag()
        reacting = Thread(target=processor.run, args=(stop,))
        reacting.start()
        scheduler.run()
        stop.set()
        reacting.join()

        for run in scheduler.runs("mail-sales"):
            print(f"mail-sales, attempt {run.attempt}: {run.outcome} {run.error or ''}")


if __name__ == "__main__":
    main(*sys.argv[1:])
