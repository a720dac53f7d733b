"""
One pass of a scheduler: what it writes, in which order, and what it does when the log says no.
"""

import logging
from datetime import timedelta
from functools import partial
from threading import Thread

import pytest

from azoth.errors import OutcomeUnknown, StoreBusy, StoreError, StoreFull
from azoth_scheduler import (
    Immediate,
    InlineExecutor,
    Interval,
    RetryPolicy,
    Scheduler,
    TaskEvent,
    TaskExecuted,
    TaskRunAbandoned,
    TaskRunStarted,
    ThreadExecutor,
)
from azoth_scheduler.simulation.invariants import assert_sound
from tests.support.faults import FaultyLog, tells
from tests.support.stage import PATIENCE, Reporting, Stage, acts, fails, request, running, task

OUTCOME = tells("TaskExecuted")
CLAIM = tells("TaskRunStarted")

TROUBLES = pytest.mark.parametrize(
    "trouble",
    [StoreBusy(seconds=5), StoreFull(reason="no space"), OutcomeUnknown(reason="lost")],
    ids=lambda error: type(error).__name__,
)


@pytest.fixture
def faulty(stage: Stage) -> FaultyLog:
    """
    The stage's log, with faults to be chosen.
    """
    return FaultyLog(stage.store)


def test_a_claim_and_an_outcome_are_one_append_each(stage: Stage) -> None:
    """
    What starts together shares a commit, and so does what ends together.
    """
    worker = acts(lambda ctx, payload: TaskEvent("made"))
    scheduler = stage.scheduler(worker, executor=InlineExecutor(10))
    scheduler.schedule_tasks([request(f"t{n}") for n in range(10)])

    assert scheduler.run_pending() <= 3

    assert len(worker.contexts) == 10
    types = [entry.event.type for entry in stage.log()]
    assert types[10:20] == ["TaskRunStarted"] * 10
    assert types[20:] == ["made", "TaskExecuted"] * 10


def test_a_pass_says_when_to_look_again(stage: Stage) -> None:
    """
    At the next due time; None where nothing is known to come.
    """
    scheduler = stage.scheduler(acts())

    assert scheduler.step() is None
    created = scheduler.schedule_task(request("a", Interval(300))).created_at
    assert scheduler.step() == created + timedelta(seconds=300)


@pytest.mark.rule("S-24")
@TROUBLES
def test_an_outcome_that_cannot_be_stored_is_kept_and_its_handler_does_not_run_again(
    stage: Stage, faulty: FaultyLog, trouble: StoreError
) -> None:
    """
    On StoreBusy, StoreFull and OutcomeUnknown it is tried again with backoff, until it is stored.
    """
    worker = acts(lambda ctx, payload: TaskEvent("made"))
    scheduler = stage.scheduler(worker, store=faulty)
    scheduler.schedule_task(request())
    faulty.fail(trouble, 3, on=OUTCOME)

    scheduler.run_pending()
    assert task(scheduler).status == "running"
    for _ in range(10):
        stage.clock.advance(10)
        scheduler.run_pending()

    assert faulty.attempts == 3
    assert len(worker.contexts) == 1
    assert task(scheduler).status == "completed"
    assert stage.types("a") == ["Scheduled", "RunStarted", "Executed"]
    assert scheduler.health().late_results == 0


@pytest.mark.rule("S-24")
def test_the_waits_between_two_tries_grow(stage: Stage, faulty: FaultyLog) -> None:
    """
    From 50 ms, doubling, up to 5 s; a success forgets them.
    """
    scheduler = stage.scheduler(acts(), store=faulty)
    scheduler.schedule_task(request())
    faulty.fail(StoreFull(reason="no space"), 9, on=OUTCOME)
    waits: list[float] = []

    scheduler.run_pending()
    while task(scheduler).status == "running":
        looks_at, tried = scheduler.step(), faulty.attempts
        assert looks_at is not None
        waits.append((looks_at - stage.now).total_seconds())
        stage.clock.advance(waits[-1] - 0.000_001)
        scheduler.step()
        assert faulty.attempts == tried, "it was tried before its time"
        stage.clock.advance(0.000_001)
        scheduler.step()

    assert waits == [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]


def test_an_outcome_whose_answer_was_lost_is_recorded_once(stage: Stage, faulty: FaultyLog) -> None:
    """
    It landed, so its fence is gone: the result is neither written again nor counted as late.
    """
    scheduler = stage.scheduler(acts(lambda ctx, payload: TaskEvent("made")), store=faulty)
    scheduler.schedule_task(request())
    faulty.fail(OutcomeUnknown(reason="lost"), on=OUTCOME, after_commit=True)

    scheduler.run_pending()
    stage.clock.advance(1)
    scheduler.run_pending()

    assert len(stage.told(TaskExecuted)) == 1
    assert sum(entry.event.type == "made" for entry in stage.log()) == 1
    assert scheduler.health().late_results == 0
    assert scheduler.health().running == 0


@TROUBLES
def test_a_claim_that_was_not_stored_is_planned_anew(
    stage: Stage, faulty: FaultyLog, trouble: StoreError
) -> None:
    """
    Nothing was started, so the first attempt is the first.
    """
    worker = acts()
    scheduler = stage.scheduler(worker, store=faulty)
    scheduler.schedule_task(request())
    faulty.fail(trouble, on=CLAIM)

    scheduler.run_pending()
    assert worker.contexts == []
    stage.clock.advance(1)
    scheduler.run_pending()

    assert [context.attempt for context in worker.contexts] == [1]
    assert task(scheduler).status == "completed"


def test_a_claim_whose_answer_was_lost_is_given_back_and_made_again(
    stage: Stage, faulty: FaultyLog
) -> None:
    """
    The log says that it runs and the worker knows nothing of it: that is no loss and no failure.
    """
    worker = acts()
    scheduler = stage.scheduler(worker, store=faulty)
    scheduler.schedule_task(request())
    faulty.fail(OutcomeUnknown(reason="lost"), on=CLAIM, after_commit=True)

    scheduler.run_pending()
    assert worker.contexts == []
    stage.clock.advance(1)
    scheduler.run_pending()

    (abandoned,) = stage.told(TaskRunAbandoned)
    assert abandoned.lost_count == 0
    assert [context.attempt for context in worker.contexts] == [2]
    assert task(scheduler).status == "completed"


@TROUBLES
def test_a_lease_that_cannot_be_renewed_stops_no_pass_for_long(
    stage: Stage, faulty: FaultyLog, trouble: StoreError
) -> None:
    """
    The pass is put off and made again, as for any other trouble of the store.
    """
    worker = acts()
    scheduler = stage.scheduler(worker, store=faulty)
    scheduler.schedule_task(request())
    scheduler.run_pending()
    scheduler.schedule_task(request("b"))
    stage.clock.advance(20)
    faulty.fail_leases(trouble)

    assert scheduler.step() == stage.now + timedelta(milliseconds=50)
    stage.clock.advance(1)
    scheduler.run_pending()

    assert task(scheduler, "b").status == "completed"


def test_what_conflicts_is_dropped_and_the_rest_is_appended_at_once(
    stage: Stage, faulty: FaultyLog
) -> None:
    """
    A claim of a task that was cancelled meanwhile never starts; its neighbours do.
    """
    worker = acts()
    scheduler = stage.scheduler(worker, store=faulty, executor=InlineExecutor(3))
    scheduler.schedule_tasks([request("a"), request("b"), request("c")])
    faulty.before(lambda: stage.scheduler().cancel_task("b"), on=CLAIM)

    scheduler.step()

    assert [context.task_id for context in worker.contexts] == ["a", "c"]
    assert stage.types("b") == ["Scheduled", "Cancelled"]


def test_a_slot_is_not_free_before_the_log_says_so(stage: Stage, faulty: FaultyLog) -> None:
    """
    C3: an outcome that conflicts takes the claim along that was planned on its slot.
    """
    worker = acts()
    scheduler = stage.scheduler(worker, store=faulty)
    scheduler.schedule_tasks([request("a"), request("b")])
    faulty.before(lambda: stage.scheduler().cancel_task("a"), on=OUTCOME)

    scheduler.run_pending()

    assert_sound(stage.log(), worker=1)
    assert [context.task_id for context in worker.contexts] == ["a", "b"]
    assert stage.types("a") == ["Scheduled", "RunStarted", "Cancelled", "Executed"]


def test_a_slot_stays_taken_while_its_outcome_cannot_be_stored(
    stage: Stage, faulty: FaultyLog
) -> None:
    """
    C3: claims wait behind the outcomes that free their slots, in whatever append they stand.
    """
    # A stream of its own for each outcome would let them share an append; one for all does not.
    worker = acts(lambda ctx, payload: TaskEvent("made", stream="all"))
    scheduler = stage.scheduler(worker, store=faulty, executor=InlineExecutor(2))
    scheduler.schedule_tasks([request(f"t{n}") for n in range(6)])
    faulty.fail(StoreFull(reason="no space"), 3, on=OUTCOME)

    for _ in range(20):
        scheduler.run_pending()
        stage.clock.advance(1)

    assert_sound(stage.log(), worker=2)
    assert sorted(context.task_id for context in worker.contexts) == [f"t{n}" for n in range(6)]


def test_a_claim_whose_answer_was_lost_takes_a_slot(stage: Stage, faulty: FaultyLog) -> None:
    """
    C3: it may be in the log, so nothing else is claimed before it is looked for.
    """
    worker = acts()
    scheduler = stage.scheduler(worker, store=faulty, poll_interval=60)
    scheduler.step()
    scheduler.schedule_tasks([request("a"), request("b", priority=-1)])
    faulty.fail(OutcomeUnknown(reason="lost"), on=CLAIM, after_commit=True)

    scheduler.run_pending()
    scheduler.schedule_task(request("c", priority=-2))
    stage.clock.advance(1)
    scheduler.run_pending()

    assert_sound(stage.log(), worker=1)
    assert [context.task_id for context in worker.contexts] == ["c", "b", "a"]


def test_claims_that_were_not_begun_take_slots_until_they_are_given_back(stage: Stage) -> None:
    """
    C3: after an interrupt the log has two of them, and a third task has to wait.
    """
    worker = fails(1, KeyboardInterrupt)
    scheduler = stage.scheduler(worker, executor=InlineExecutor(2), poll_interval=60)
    scheduler.schedule_tasks([request("a"), request("b")])
    with pytest.raises(KeyboardInterrupt):
        scheduler.step()
    scheduler.schedule_task(request("c", priority=-1))

    assert scheduler.step() is None
    stage.clock.advance(60)
    scheduler.run_pending()

    assert_sound(stage.log(), worker=2)
    assert [context.task_id for context in worker.contexts] == ["a", "a", "c", "b"]


def test_many_races_over_outcomes_keep_the_limit(stage: Stage, faulty: FaultyLog) -> None:
    """
    C3: at every prefix, whatever is edited while outcomes are on their way.
    """
    worker = acts(lambda ctx, payload: TaskEvent("made", stream="all"))
    scheduler = stage.scheduler(worker, store=faulty, executor=InlineExecutor(3))
    scheduler.schedule_tasks([request(f"t{n:02}", Interval(10)) for n in range(12)])
    other = stage.scheduler()

    for round_ in range(20):
        stage.clock.advance(10)
        for offset in range(0, 12, 5):
            task_id = f"t{(round_ + offset) % 12:02}"
            edit = partial(pause_and_resume, other, task_id)
            faulty.before(edit, on=OUTCOME if round_ % 2 else CLAIM)
        scheduler.run_pending()

    assert_sound(stage.log(), worker=3)
    assert len(worker.contexts) > 150


def pause_and_resume(scheduler: Scheduler, task_id: str) -> None:
    """
    Move a task's stream on without changing what the task is doing.
    """
    scheduler.pause_task(task_id)
    scheduler.resume_task(task_id)


def test_an_attempt_that_ran_into_its_deadline_inline_is_timed_out(stage: Stage) -> None:
    """
    A handler that overran is timed out, even if it came back before anybody looked.
    """
    scheduler = stage.scheduler(acts(lambda ctx, payload: stage.clock.advance(61)))
    scheduler.schedule_task(request(timeout=60, max_retries=1))

    scheduler.run_pending()

    (executed,) = stage.told(TaskExecuted)
    assert executed.outcome == "timed_out"
    assert executed.error == "timed out after 60 s"


@pytest.mark.rule("S-26")
def test_a_thread_that_overruns_is_told_and_keeps_its_slot(stage: Stage) -> None:
    """
    It cannot be killed: the slot stays taken until it returns, and health shows it as stuck.
    """
    gate = stage.gate()
    scheduler, executor = stage.threaded(acts(gate), max_concurrent_tasks=1)
    scheduler.schedule_tasks([request("a", timeout=60, max_retries=1), request("b")])
    scheduler.step()
    gate.wait_inside()

    stage.clock.advance(60)
    scheduler.step()
    scheduler.step()
    assert task(scheduler, "a").last_outcome == "timed_out"
    assert (scheduler.health().stuck, scheduler.health().running) == (1, 0)
    assert task(scheduler, "b").status == "scheduled"

    gate.open()
    executor.wait()
    scheduler.step()
    executor.wait()
    scheduler.step()
    assert scheduler.health().stuck == 0
    assert task(scheduler, "b").status == "completed"
    assert_sound(stage.log(), worker=1)


@pytest.mark.rule("S-26")
def test_a_late_result_is_refused_and_counted(stage: Stage) -> None:
    """
    At the deadline the fence is gone: neither outcome nor events of the late result are written.
    """
    gate = stage.gate()
    scheduler, executor = stage.threaded(acts(gate))
    scheduler.schedule_task(request(timeout=60))
    scheduler.step()
    gate.wait_inside()
    stage.clock.advance(60)
    scheduler.step()
    head = stage.head()

    gate.open()
    executor.wait()
    scheduler.step()

    assert stage.head() == head
    assert scheduler.health().late_results == 1
    assert [event.outcome for event in stage.told(TaskExecuted)] == ["timed_out"]


def test_a_timed_out_handler_is_told_through_its_context(stage: Stage) -> None:
    """
    `ctx.cancelled` turns true at the deadline, and the retry comes as after any failure.
    """
    gate = stage.gate()
    worker = acts(gate.until_stopped)
    scheduler, executor = stage.threaded(worker)
    scheduler.schedule_task(request(timeout=60))
    scheduler.step()
    gate.wait_inside()

    assert scheduler.step() == stage.now + timedelta(seconds=60)
    stage.clock.advance(60)
    scheduler.step()
    executor.wait()
    scheduler.step()

    assert worker.contexts[0].stop.reason == "timed out after 60 s"
    assert task(scheduler).retry_at == stage.now + timedelta(minutes=1)


@pytest.mark.rule("S-27")
def test_a_cancel_reaches_a_running_handler(stage: Stage) -> None:
    """
    It is asked to stop, and its outcome is recorded.
    """
    gate = stage.gate()
    worker = acts(gate.until_stopped)
    scheduler, executor = stage.threaded(worker)
    scheduler.schedule_task(request())
    scheduler.step()
    gate.wait_inside()

    scheduler.cancel_task("a", "no longer needed")
    scheduler.step()
    executor.wait()
    scheduler.step()

    (executed,) = stage.told(TaskExecuted)
    assert executed.outcome == "cancelled"
    assert worker.contexts[0].stop.reason == "no longer needed"
    assert task(scheduler).status == "cancelled"
    assert stage.types("a") == ["Scheduled", "RunStarted", "Cancelled", "Executed"]


def test_a_cancel_for_the_reason_shutdown_is_a_cancel(stage: Stage) -> None:
    """
    Only an attempt that the scheduler itself asked to stop is given back.
    """
    gate = stage.gate()
    scheduler, executor = stage.threaded(acts(gate.until_stopped))
    scheduler.schedule_task(request())
    scheduler.step()
    gate.wait_inside()

    scheduler.cancel_task("a", "shutdown")
    scheduler.step()
    executor.wait()
    scheduler.step()

    assert [event.outcome for event in stage.told(TaskExecuted)] == ["cancelled"]


def test_one_run_can_be_cancelled_and_the_task_goes_on(stage: Stage) -> None:
    """
    A cancelled run is not retried; the next occurrence comes.
    """
    gate = stage.gate()
    scheduler, executor = stage.threaded(acts(gate.until_stopped))
    scheduler.schedule_task(request("a", Interval(300)))
    stage.clock.advance(300)
    scheduler.step()
    gate.wait_inside()
    (execution_id,) = task(scheduler).running

    scheduler.cancel_run(execution_id, "wrong data")
    scheduler.step()
    executor.wait()
    scheduler.step()

    shown = task(scheduler)
    assert (shown.status, shown.last_outcome) == ("scheduled", "cancelled")
    assert shown.next_run_time == stage.now + timedelta(seconds=300)


def test_a_cancel_while_waiting_for_a_retry_ends_it(stage: Stage) -> None:
    """
    The retry never comes.
    """
    worker = fails()
    scheduler = stage.scheduler(worker)
    scheduler.schedule_task(request())
    scheduler.run_pending()
    assert task(scheduler).status == "retrying"

    scheduler.cancel_task("a")
    stage.clock.advance(3_600)
    scheduler.run_pending()

    assert len(worker.contexts) == 1
    assert task(scheduler).retry_at is None


def test_an_attempt_taken_by_another_scheduler_does_not_keep_this_one_busy(stage: Stage) -> None:
    """
    Its handler hangs past the deadline; the pass has nothing to do and says when to look again.
    """
    gate = stage.gate()
    scheduler, _ = stage.threaded(acts(gate), worker_id="hung")
    other = stage.scheduler(acts(), worker_id="other")
    scheduler.schedule_task(request(timeout=600))
    scheduler.step()
    gate.wait_inside()
    other.step()
    stage.clock.advance(31)
    other.run_pending()
    assert stage.types("a")[-1] == "Executed"

    scheduler.step()
    stage.clock.advance(600)

    assert scheduler.step() is None
    assert scheduler.health().stuck == 1


@pytest.mark.rule("S-23")
def test_a_result_of_an_attempt_that_was_taken_is_refused_and_counted(stage: Stage) -> None:
    """
    C4: it fell silent, another worker made the run again, and then it came back.
    """
    gate = stage.gate()
    scheduler, executor = stage.threaded(acts(gate), worker_id="slow")
    other = stage.scheduler(acts(), worker_id="other")
    scheduler.schedule_task(request(timeout=600))
    scheduler.step()
    gate.wait_inside()
    other.step()
    stage.clock.advance(31)
    other.run_pending()
    head = stage.head()

    gate.open()
    executor.wait()
    scheduler.step()

    assert scheduler.health().late_results == 1
    assert stage.head() == head
    assert [run.outcome for run in scheduler.runs("a")] == ["abandoned", "succeeded"]


def test_what_a_worker_gives_back_may_have_been_taken_before(stage: Stage) -> None:
    """
    Then nothing is left to give back, and the scheduler has nothing to wait for.
    """
    gate = stage.gate()
    scheduler, executor = stage.threaded(acts(gate.until_stopped), worker_id="leaving")
    other = stage.scheduler(acts(), worker_id="other")
    scheduler.schedule_task(request(timeout=600))
    scheduler.step()
    gate.wait_inside()
    other.step()
    stage.clock.advance(31)
    scheduler._worker.ask_to_stop()
    executor.wait()
    other.step()

    scheduler.step()

    assert scheduler.step() is None
    assert not scheduler._worker.busy
    assert [event.reason for event in stage.told(TaskRunAbandoned)] == ["its lease has run out"]


def test_a_lost_attempt_of_a_queue_that_is_not_served_is_left_to_others(stage: Stage) -> None:
    """
    Whoever sees it abandons it; only those who serve its queue and type start it again.
    """
    gate = stage.gate()
    dying, _ = stage.threaded(acts(gate), worker_id="dying")
    dying.schedule_task(request(queue="slow", timeout=600))
    dying.step()
    gate.wait_inside()
    worker = acts()
    other = stage.scheduler(worker, worker_id="other", queues=["fast"])
    other.step()
    stage.clock.advance(31)

    other.step()

    assert stage.types("a") == ["Scheduled", "RunStarted", "RunAbandoned"]
    assert worker.contexts == []


def test_an_executor_that_cannot_begin_an_attempt_does_not_stop_the_scheduler(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    """
    There was no room for a thread: the claim is given back, and made again later.
    """

    class Crowded(ThreadExecutor):
        """
        Find no room for the first attempt.
        """

        room = False

        def submit(self, *args: object) -> None:
            if not self.room:
                self.room = True
                raise RuntimeError("can't start new thread")
            super().submit(*args)  # type: ignore[arg-type] # handed on as they are

    executor = Reporting(Crowded())
    worker = acts()
    scheduler = stage.scheduler(worker, executor=executor)
    scheduler.schedule_task(request())

    scheduler.step()
    stage.clock.advance(1)
    scheduler.step()
    executor.wait()
    scheduler.step()

    assert [event.lost_count for event in stage.told(TaskRunAbandoned)] == [0]
    assert [context.attempt for context in worker.contexts] == [2]
    assert "attempt not begun" in caplog.text


def test_an_interrupt_from_the_keyboard_leaves_nothing_stuck(stage: Stage) -> None:
    """
    Whoever pressed Ctrl-C may go on: what was claimed is given back and made again.
    """
    worker = fails(1, KeyboardInterrupt)
    scheduler = stage.scheduler(worker, executor=InlineExecutor(2))
    scheduler.schedule_tasks([request("a"), request("b")])

    with pytest.raises(KeyboardInterrupt):
        scheduler.step()
    stage.clock.advance(1)
    scheduler.run_pending()

    assert [(one.task_id, one.attempt) for one in worker.contexts] == [("a", 1), ("a", 2), ("b", 2)]
    assert scheduler.health().running == 0


def test_a_handler_that_leaves_by_system_exit_has_failed(stage: Stage) -> None:
    """
    SystemExit is the failure of that attempt, never the end of the scheduler.
    """
    scheduler = stage.scheduler(fails(1, SystemExit))
    scheduler.schedule_tasks([request("a"), request("b")])

    scheduler.run_pending()

    assert task(scheduler, "a").last_error == "boom"
    assert task(scheduler, "a").last_error_type == "builtins.SystemExit"
    assert task(scheduler, "a").status == "retrying"
    assert task(scheduler, "b").status == "completed"


@pytest.mark.rule("S-41")
def test_what_is_due_starts_by_priority_then_time_then_id(stage: Stage) -> None:
    """
    Fair and deterministic: lower numbers first, then who waits longest, then the id.
    """
    worker = acts()
    scheduler = stage.scheduler(worker)
    scheduler.schedule_task(request("late"))
    stage.clock.advance(1)
    scheduler.schedule_tasks(
        [request("c"), request("b"), request("a"), request("urgent", priority=-1)]
    )
    scheduler.schedule_task(request("idle", priority=5))

    scheduler.run_pending()

    started = [context.task_id for context in worker.contexts]
    assert started == ["urgent", "late", "a", "b", "c", "idle"]


@pytest.mark.rule("S-41")
def test_a_handler_that_always_fails_delays_nobody(stage: Stage) -> None:
    """
    Its retries wait like everybody else; a task runs at most one attempt at a time.
    """
    worker = fails(task_type="bad")
    good = acts()
    scheduler = stage.scheduler(worker, good)
    policy = RetryPolicy(max_attempts=1_000, base=0, factor=1)
    scheduler.schedule_task(request("bad", task_type="bad", retry=policy))
    scheduler.step()
    scheduler.schedule_task(request("good", Immediate()))

    for _ in range(3):
        stage.clock.advance(0.001)
        scheduler.step()

    assert len(good.contexts) == 1


@pytest.mark.rule("S-28")
def test_a_task_cancelled_while_it_waits_for_a_slot_does_not_start(stage: Stage) -> None:
    """
    The state is looked at when it is claimed, with the payload it has then.
    """
    worker = acts()
    scheduler = stage.scheduler(worker)
    scheduler.schedule_tasks([request("a"), request("b"), request("c", payload=b"old")])
    scheduler.step()

    scheduler.cancel_task("b")
    scheduler.schedule_task(request("c", payload=b"new"))
    scheduler.run_pending()

    assert [context.task_id for context in worker.contexts] == ["a", "c"]
    assert worker.payloads == [b"", b"new"]


@pytest.mark.rule("S-31")
def test_a_type_without_a_handler_costs_no_slot_no_pass_and_no_event(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    """
    It waits for a worker that has one; health counts it, the program's log says it once.
    """
    client = stage.scheduler(worker_id="client")
    client.schedule_tasks([request(f"x{n}", task_type="unknown") for n in range(3)])
    worker = acts()
    scheduler = stage.scheduler(worker)
    scheduler.schedule_task(request("a"))
    head = stage.head()

    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert scheduler.run_pending() <= 3
            stage.clock.advance(2)

    assert scheduler.step() is None
    assert stage.head() == head + 2
    assert scheduler.health().unserved == 3
    assert caplog.text.count("unknown") == 1
    assert task(scheduler, "x0").status == "scheduled"


def test_a_clock_that_is_set_back_fires_nothing_again(stage: Stage) -> None:
    """
    S-43: what fired does not fire again; what lies ahead waits until the clock gets there.
    """
    worker = acts()
    scheduler = stage.scheduler(worker)
    scheduler.schedule_task(request("a", Interval(60)))
    stage.clock.advance(60)
    scheduler.run_pending()

    stage.clock.set(stage.now - timedelta(seconds=30))
    scheduler.run_pending()
    stage.clock.advance(89)
    scheduler.run_pending()
    assert len(worker.contexts) == 1
    stage.clock.advance(1)
    scheduler.run_pending()

    assert len(worker.contexts) == 2


def test_a_clock_far_behind_the_log_shows_in_health(stage: Stage) -> None:
    """
    More than a minute behind the last recorded time.
    """
    scheduler = stage.scheduler(acts())
    scheduler.schedule_task(request("a", Interval(60)))
    assert scheduler.health().clock_behind == timedelta()

    stage.clock.set(stage.now - timedelta(seconds=59))
    assert scheduler.health().clock_behind == timedelta()
    stage.clock.set(stage.now - timedelta(hours=1))

    assert scheduler.health().clock_behind == timedelta(hours=1, seconds=59)


def test_two_schedulers_take_turns_on_one_log(stage: Stage) -> None:
    """
    Whoever claims first runs it; the other reads on.
    """
    workers = [acts(), acts()]
    first, second = (
        stage.scheduler(worker, worker_id=name)
        for worker, name in zip(workers, ("first", "second"), strict=True)
    )
    first.schedule_tasks([request(f"t{n}") for n in range(10)])

    while any([first.step(), second.step()]):
        pass

    ran = [context.task_id for worker in workers for context in worker.contexts]
    assert sorted(ran) == [f"t{n}" for n in range(10)]
    assert all(worker.contexts for worker in workers)


@pytest.mark.rule("S-44")
def test_a_lost_race_for_a_claim_starts_nothing(stage: Stage, faulty: FaultyLog) -> None:
    """
    A claim is an append at the version read: one wins.
    """
    loser, winner = acts(), acts()
    first = stage.scheduler(loser, store=faulty, worker_id="first")
    second = stage.scheduler(winner, worker_id="second")
    first.schedule_task(request())
    faulty.before(second.step, on=CLAIM)

    first.run_pending()

    assert (len(loser.contexts), len(winner.contexts)) == (0, 1)
    assert len(stage.told(TaskRunStarted)) == 1


def test_a_handler_makes_no_passes(stage: Stage) -> None:
    """
    A pass within a pass would find half of the first one done.
    """

    def act(ctx: object, payload: bytes) -> None:
        with pytest.raises(RuntimeError, match="no handler makes one"):
            scheduler.step()

    worker = acts(act)
    scheduler = stage.scheduler(worker)
    scheduler.schedule_task(request())

    scheduler.run_pending()

    assert task(scheduler).last_outcome == "succeeded"


def test_passes_of_several_threads_come_one_after_the_other(stage: Stage) -> None:
    """
    The second waits for the end of the first.
    """
    waited: list[bool] = []
    threads: list[Thread] = []

    def act(ctx: object, payload: bytes) -> None:
        second = Thread(target=scheduler.step)
        threads.append(second)
        second.start()
        # Nothing to wait for: it must not get on. A slow machine hides that, and never invents it.
        second.join(0.1)
        waited.append(second.is_alive())

    scheduler = stage.scheduler(acts(act))
    scheduler.schedule_task(request())

    scheduler.step()
    threads[0].join(PATIENCE)

    assert waited == [True]
    assert task(scheduler).status == "completed"


def test_threads_that_run_one_scheduler_hurt_nobody(stage: Stage) -> None:
    """
    Neither each other nor the log.
    """
    worker = acts()
    scheduler = stage.scheduler(worker, executor=InlineExecutor(5))

    with running(scheduler, scheduler):
        scheduler.schedule_tasks([request(f"t{n}") for n in range(50)])
        stage.wait_for(TaskExecuted, 50)

    assert len(worker.contexts) == 50
