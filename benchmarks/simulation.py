"""
Ask how much of the world is simulated in a second on one core, with every checker on.

First whole scenarios, as `azoth-scheduler simulate` plays them; then a year of a thousand cron
tasks of one scheduler. A step is anything that happens in the world (a scheduler wakes or goes on
with its pass, an attempt ends, somebody acts) and each call of a scheduler at a seam (an append, a
read, a lease), for there another one may come between, or a fault strike.

    python benchmarks/simulation.py [SCENARIOS [TASKS [DAYS]]]
"""

import sys
from datetime import UTC, datetime, timedelta
from time import perf_counter, process_time
from typing import Final

from azoth_scheduler import Cron, ScheduleTaskRequest, TaskContext, TaskHandler
from azoth_scheduler.simulation import SimulatedScheduler, play, scenario_of

SCENARIOS: Final = 500
TASKS: Final = 1_000
DAYS: Final = 365
WARM: Final = 20
START: Final = datetime(2026, 1, 1, tzinfo=UTC)


class Nothing(TaskHandler):
    """
    Do nothing.
    """

    task_type = "nothing"

    def execute(self, ctx: TaskContext, payload: bytes) -> None:
        """
        Return at once.
        """


def crons(count: int) -> list[ScheduleTaskRequest]:
    """
    Return so many cron tasks: half of them monthly, the others weekly, and one in fifty daily.
    """
    requests: list[ScheduleTaskRequest] = []
    for number in range(count):
        minute, hour, day = number % 60, number % 24, 1 + number % 28
        if number % 50 == 0:
            expr = f"0 {minute} {hour} * * *"
        elif number % 2:
            expr = f"0 {minute} {hour} * * {number % 7}"
        else:
            expr = f"0 {minute} {hour} {day} * *"
        requests.append(ScheduleTaskRequest(f"task-{number:04}", "nothing", Cron(expr)))
    return requests


def show_scenarios(count: int) -> None:
    """
    Play so many scenarios and print how quick that was.
    """
    for seed in range(WARM):
        play(scenario_of(seed))
    began, spent = perf_counter(), process_time()
    played = [play(scenario_of(seed)) for seed in range(count)]
    wall, cpu = perf_counter() - began, process_time() - spent
    assert not any(one.breaches for one in played), "a seed breaks an invariant"
    steps = sum(one.steps for one in played)
    events = sum(one.events for one in played)
    hours = sum(one.simulated for one in played) / 3_600_000_000
    print(
        f"{count:,} scenarios, {steps:,} steps, {events:,} events, {hours:,.0f} h simulated in "
        f"{wall:.1f} s ({cpu:.1f} s of one core)"
    )
    print(f"  {count / cpu:8,.0f} scenarios/s   {steps / cpu:10,.0f} steps/s, by the core's time")


def show_year(tasks: int, days: int) -> None:
    """
    Simulate a year of cron tasks and print how long that took.
    """
    began, spent = perf_counter(), process_time()
    options = {"max_concurrent_tasks": 1_000, "poll_interval": 3_600.0}
    with SimulatedScheduler([Nothing()], start=START, **options) as simulated:
        simulated.schedule_tasks(crons(tasks))
        simulated.advance(timedelta(days=days))
        wall, cpu = perf_counter() - began, process_time() - spent
        runs = sum(task.totals.succeeded for task in simulated.list_tasks())
        events = len(simulated.events)
    print(
        f"{days} days of {tasks:,} cron tasks: {runs:,} runs, {events:,} events "
        f"in {wall:.1f} s ({cpu:.1f} s of one core)"
    )
    print(f"  {runs / cpu:8,.0f} runs/s")


def main() -> None:
    """
    Ask both.
    """
    given = [int(argument) for argument in sys.argv[1:]]
    scenarios, tasks, days = given + [SCENARIOS, TASKS, DAYS][len(given) :]
    show_scenarios(scenarios)
    show_year(tasks, days)


if __name__ == "__main__":
    main()
