"""
A month of one's own schedules in a second: with a crash, a clock that jumps, and a rule that holds.

    python examples/simulated_month.py [SEED]

Nothing sleeps, and nothing is sent: the handlers are real, and time is not.
"""

import sys
from datetime import UTC, datetime

from azoth_scheduler import Cron, RetryPolicy, ScheduleTaskRequest, TaskContext, task_handler
from azoth_scheduler.simulation import SimulatedScheduler

sent: dict[str, list[str]] = {}


@task_handler("invoice", retry=RetryPolicy(max_attempts=5, base=60))
def send_invoice(ctx: TaskContext, customer: bytes) -> None:
    """
    Send an invoice, by a mail server that is down on Sunday nights.
    """
    if ctx.scheduled_at.isoweekday() == 7 and ctx.attempt < 3:
        raise ConnectionError("the mail server is down")
    # The server is told the run, so that it can leave out what it has sent already.
    sent.setdefault(ctx.run_id, []).append(customer.decode())


def main(seed: str = "1") -> None:
    """
    Simulate March 2026, in which Berlin has a night without half past two.
    """
    start = datetime(2026, 3, 1, tzinfo=UTC)
    with SimulatedScheduler([send_invoice], start=start, seed=int(seed), lasts=10) as simulated:
        simulated.schedule_task(
            ScheduleTaskRequest(
                "ada", "invoice", Cron("0 30 2 * * *", tz="Europe/Berlin"), b"ada@example.org"
            )
        )
        simulated.always(lambda it: len(it.runs("ada")) < 60, "not too many attempts")

        # The process is killed when the invoice is sent, and nobody has been told.
        simulated.advance_to(datetime(2026, 3, 10, 1, 30, 7, tzinfo=UTC))
        simulated.crash()
        simulated.advance(minutes=2)
        simulated.restart()

        # A clock that goes wrong by an hour, and is set right on the next day.
        simulated.advance_to(datetime(2026, 3, 20, tzinfo=UTC))
        simulated.jump_clock(3600)
        simulated.advance(days=1)
        simulated.jump_clock(-3600)

        simulated.advance_to(datetime(2026, 3, 31, 12, tzinfo=UTC))
        simulated.assert_ran("ada", times=31)
        simulated.assert_ran("ada", at=datetime(2026, 3, 29, 1, tzinfo=UTC))

        twice = [run_id for run_id, mails in sent.items() if len(mails) > 1]
        print(f"{len(simulated.events)} events until {simulated.now:%Y-%m-%d}")
        print(f"sent twice, for the process died in between: {', '.join(twice)}")


if __name__ == "__main__":
    main(*sys.argv[1:])
