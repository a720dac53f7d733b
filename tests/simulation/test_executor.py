"""
Attempts in virtual time: how long they take, what becomes of their results, and how they stop.
"""

from collections.abc import Sequence

import pytest

from azoth_scheduler import (
    Cron,
    Immediate,
    ScheduleTaskRequest,
    TaskContext,
    TaskEvent,
    TaskHandler,
    TaskRun,
    task_handler,
)
from azoth_scheduler.simulation import SimulatedScheduler


@task_handler("report", timeout=10)
def report(ctx: TaskContext, payload: bytes) -> TaskEvent:
    """
    Leave an event.
    """
    return TaskEvent("report_made", payload)


def struck_by(fault: str, handler: TaskHandler = report) -> SimulatedScheduler:
    """
    Return a simulation in which one fault strikes each time.
    """
    simulated = SimulatedScheduler([handler], faults={fault: 1_000})
    simulated.schedule_task(ScheduleTaskRequest("once", "report", Immediate()))
    return simulated


def outcomes(runs: Sequence[TaskRun]) -> list[str | None]:
    """
    Return how attempts ended.
    """
    return [run.outcome for run in runs]


def test_an_attempt_takes_the_time_that_it_is_said_to_take() -> None:
    """
    The same for all, or by its context.
    """
    simulated = SimulatedScheduler([report], lasts=lambda ctx: 2 if ctx.task_id == "once" else 7)
    with simulated:
        simulated.schedule_tasks(
            ScheduleTaskRequest(task_id, "report", Immediate()) for task_id in ("once", "other")
        )
        simulated.advance(5)
        assert outcomes(simulated.runs("once")) == ["succeeded"]
        assert outcomes(simulated.runs("other")) == [None]
        simulated.advance(5)

        durations = [simulated.runs(task_id)[0].duration for task_id in ("once", "other")]
        assert [took.total_seconds() for took in durations if took] == [2, 7]


def test_a_result_that_is_late_counts_if_nobody_was_faster() -> None:
    """
    It comes within seconds, and what the handler left in the log comes with it.
    """

    @task_handler("report")
    def patient(ctx: TaskContext, payload: bytes) -> TaskEvent:
        return TaskEvent("report_made", payload)

    with struck_by("attempt.late", patient) as simulated:
        simulated.advance(0.5)
        assert outcomes(simulated.runs("once")) == [None]
        simulated.advance(60)

        assert outcomes(simulated.runs("once")) == ["succeeded"]
        assert sum(event.type == "report_made" for event in simulated.events) == 1


def test_a_result_that_is_told_twice_counts_once() -> None:
    """
    The second is refused, and counted.
    """
    with struck_by("attempt.duplicate") as simulated:
        simulated.advance(60)

        assert outcomes(simulated.runs("once")) == ["succeeded"]
        assert simulated.health().late_results == 1


def test_a_result_that_is_lost_is_timed_out() -> None:
    """
    The handler was called, its event is nowhere, and its slot is taken.
    """
    with struck_by("attempt.lost") as simulated:
        simulated.advance(15)

        assert outcomes(simulated.runs("once")) == ["timed_out"]
        assert simulated.health().stuck == 1
        assert [event.type for event in simulated.events][-1] == "TaskExecuted"


def test_an_attempt_that_hangs_does_not_stop_when_it_is_asked_to() -> None:
    """
    It comes back long after its deadline, and its result is refused.
    """
    with struck_by("attempt.hang") as simulated:
        simulated.advance(15)
        assert outcomes(simulated.runs("once")) == ["timed_out"]
        simulated.cancel_task("once")
        simulated.advance(1_000)

        assert simulated.health().stuck == 0
        assert simulated.health().late_results == 1


def test_an_attempt_that_is_asked_to_stop_in_its_second_half_hands_in_its_result() -> None:
    """
    It is done, so it is no longer stopped; it only ends sooner.
    """
    with SimulatedScheduler([report], lasts=8) as simulated:
        simulated.schedule_task(ScheduleTaskRequest("once", "report", Immediate()))
        simulated.advance(5)
        simulated.cancel_task("once")
        simulated.advance(1)

        assert outcomes(simulated.runs("once")) == ["succeeded"]


@pytest.mark.parametrize("slots", [1, 2])
def test_a_retry_that_no_slot_is_free_for_is_waited_for(slots: int) -> None:
    """
    What has timed out and hangs makes no way for the next one, so no pass follows another in vain.
    """

    @task_handler("report", timeout=10)
    def hanging(ctx: TaskContext, payload: bytes) -> None:
        """
        Be called too late.
        """

    with SimulatedScheduler(
        [hanging], faults={"attempt.hang": 1_000}, max_concurrent_tasks=slots, seed=1
    ) as simulated:
        for index in range(slots):
            simulated.schedule_task(
                ScheduleTaskRequest(
                    f"often-{index}", "report", Cron("0 */10 * * * *"), overlap="cancel_other"
                )
            )
        simulated.advance(hours=2)

        assert {"timed_out"} <= set(outcomes(simulated.runs("often-0")))
