"""
A user's own handlers in virtual time: what his tests see, and what they are told.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest
from attrs import frozen

from azoth import (
    ANY,
    Clock,
    Event,
    EventProcessor,
    EventStore,
    NewEvent,
    StoreClosed,
    Write,
    open_store,
)
from azoth_scheduler import (
    Cron,
    Immediate,
    Interval,
    InvalidTask,
    Middleware,
    RetryPolicy,
    RunCancelled,
    ScheduleTaskRequest,
    TaskContext,
    TaskEvent,
    TaskHandler,
    task_handler,
)
from azoth_scheduler.simulation import InvariantBroken, SimulatedScheduler

BERLIN = ZoneInfo("Europe/Berlin")


@task_handler("report")
def report(ctx: TaskContext, payload: bytes) -> TaskEvent:
    """
    Leave an event.
    """
    return TaskEvent("report_made", payload)


@task_handler("busy", retry=RetryPolicy(max_attempts=3, base=60))
def busy(ctx: TaskContext, payload: bytes) -> None:
    """
    Fail twice on each third day of a month.
    """
    if ctx.scheduled_at.day == 3 and ctx.attempt < 3:
        raise ConnectionError("no answer")


def daily(task_type: str = "report") -> ScheduleTaskRequest:
    """
    Ask for a run at nine of each day.
    """
    return ScheduleTaskRequest("daily", task_type, Cron("0 0 9 * * *"))


def now(task_type: str, task_id: str = "once") -> ScheduleTaskRequest:
    """
    Ask for one run at once.
    """
    return ScheduleTaskRequest(task_id, task_type, Immediate())


def made(simulated: SimulatedScheduler) -> int:
    """
    Count the reports in the log.
    """
    return sum(event.type == "report_made" for event in simulated.events)


class Mails:
    """
    Be the mail server: what was sent is sent, whoever crashes.
    """

    def __init__(self) -> None:
        self.sent: list[str] = []

    def handler(self) -> TaskHandler:
        return task_handler("mail")(lambda ctx, payload: self.sent.append(ctx.run_id))


# A month.


def test_a_month_of_a_daily_report_has_its_retries() -> None:
    """
    Each day runs once in the end; what failed is tried again after a minute, then two.
    """
    with SimulatedScheduler([busy]) as simulated:
        simulated.schedule_task(daily("busy"))
        simulated.advance(days=31)

        simulated.assert_ran("daily", times=31)
        simulated.assert_ran("daily", times=2, outcome="failed")
        simulated.assert_scheduled("daily", at=datetime(2026, 2, 1, 9, tzinfo=UTC))
        third = [run for run in simulated.runs("daily") if run.scheduled_at.day == 3]
        assert [run.started_at.minute for run in third] == [0, 1, 3]


def test_a_monthly_bill_goes_by_the_clocks_of_its_zone() -> None:
    """
    Half past two of the first of each month, summer and winter; in the gap it is three.
    """
    start = datetime(2026, 3, 1, tzinfo=BERLIN)
    with SimulatedScheduler([report], start=start) as simulated:
        simulated.schedule_tasks(
            ScheduleTaskRequest(task_id, "report", Cron(cron, tz="Europe/Berlin"))
            for task_id, cron in (("bill", "0 30 2 1 * *"), ("nightly", "0 30 2 29 3 *"))
        )
        simulated.advance_to(datetime(2026, 5, 2, tzinfo=BERLIN))

        hours = [run.scheduled_at.hour for run in simulated.runs("bill")]
        assert hours == [1, 0, 0]
        simulated.assert_ran("nightly", times=1, at=datetime(2026, 3, 29, 1, tzinfo=UTC))


# Crashes, freezes and clocks.


def test_a_crash_behind_the_mail_sends_it_twice() -> None:
    """
    A handler that is not idempotent is found out: it was done, and nobody was told.
    """
    mails = Mails()
    with SimulatedScheduler([mails.handler()], lasts=10) as simulated:
        simulated.schedule_task(now("mail"))
        simulated.advance(7)
        simulated.crash()
        simulated.restart()
        simulated.advance(minutes=5)

    assert len(mails.sent) == 2
    assert len(set(mails.sent)) == 1


def test_a_crash_before_the_mail_sends_it_once() -> None:
    """
    The handler is called half-way through its attempt: before that, nothing is done.
    """
    mails = Mails()
    with SimulatedScheduler([mails.handler()], lasts=10) as simulated:
        simulated.schedule_task(now("mail"))
        simulated.advance(3)
        simulated.crash()
        simulated.restart()
        simulated.advance(minutes=5)

    assert len(mails.sent) == 1


@pytest.mark.parametrize("is_coroutine", [False, True])
def test_a_handler_may_end_and_restart_its_own_process(is_coroutine: bool) -> None:
    """
    What it did before that is done, nobody was told, and the next process does it again.
    """
    reached: list[str] = []

    def once(ctx: TaskContext) -> None:
        if not reached:
            reached.append("the end of its process")
            simulated.restart()

    def plain(ctx: TaskContext, payload: bytes) -> None:
        once(ctx)

    async def waits(ctx: TaskContext, payload: bytes) -> None:
        once(ctx)
        await asyncio.sleep(1)
        reached.append(ctx.execution_id)

    fatal = task_handler("fatal")(waits if is_coroutine else plain)
    with SimulatedScheduler([fatal]) as simulated:
        simulated.schedule_task(now("fatal"))
        simulated.advance(60)

        outcomes = [run.outcome for run in simulated.runs("once")]
        assert outcomes == ["abandoned", "succeeded"]
        assert simulated.trace.count(" w0 starts") == 2
    assert len(reached) == 1 + is_coroutine


def test_what_a_crash_leaves_the_other_scheduler_does() -> None:
    """
    Of two, one is enough.
    """
    with SimulatedScheduler([report], schedulers=2) as simulated:
        simulated.schedule_task(daily())
        simulated.advance(days=2)
        simulated.crash(0)
        simulated.advance(days=2)

        simulated.assert_ran("daily", times=4)
        with pytest.raises(ValueError, match="scheduler 0 is down"):
            simulated.health(0)
        assert simulated.health(1).running == 0


def test_who_is_frozen_for_longer_than_its_lease_is_too_late() -> None:
    """
    Another one takes over, and the result of the first is refused.
    """
    with SimulatedScheduler([report], schedulers=2, lasts=20, lease=30) as simulated:
        simulated.schedule_task(now("report"))
        simulated.advance(1)
        (run,) = simulated.runs("once")
        first = int(run.worker_id[1])
        simulated.freeze(first)
        simulated.advance(100)
        simulated.thaw(first)
        simulated.advance(100)

        assert [run.outcome for run in simulated.runs("once")] == ["abandoned", "succeeded"]
        assert made(simulated) == 1
        assert simulated.health(first).late_results == 1


def test_a_clock_that_is_set_back_runs_nothing_twice() -> None:
    """
    What ran has run, whatever the clock shows; the next day comes later, by that clock.
    """
    with SimulatedScheduler([report]) as simulated:
        simulated.schedule_task(daily())
        simulated.advance(hours=10)
        simulated.jump_clock(-2 * 3600)
        simulated.advance(hours=24)

        simulated.assert_ran("daily", times=1)
        simulated.advance(hours=2)
        simulated.assert_ran("daily", times=2)


def test_a_clock_that_is_set_forward_over_a_time_runs_it_at_once() -> None:
    """
    It is overdue by that clock when the scheduler looks at it.
    """
    with SimulatedScheduler([report]) as simulated:
        simulated.schedule_task(daily())
        simulated.jump_clock(timedelta(hours=30))
        simulated.advance(1)

        simulated.assert_ran("daily", times=1, at=datetime(2026, 1, 1, 9, tzinfo=UTC))


def test_a_table_that_is_thrown_away_comes_back_the_same() -> None:
    """
    Nothing is kept but the log; who was down stays down.
    """
    with SimulatedScheduler([report], schedulers=2) as simulated:
        simulated.schedule_task(daily())
        simulated.advance(days=3)
        simulated.crash(1)
        before = simulated.digest()
        simulated.rebuild()

        assert simulated.digest() == before
        with pytest.raises(ValueError, match="down"):
            simulated.health(1)
        simulated.advance(days=1)
        simulated.assert_ran("daily", times=4)


def test_lost_answers_lose_nothing_and_repeat_nothing() -> None:
    """
    What was appended counts, though its scheduler never heard of it.
    """
    faults = {"append.lost_answer": 200}
    with SimulatedScheduler([report], faults=faults, seed=3) as simulated:
        simulated.schedule_task(daily())
        simulated.advance(days=31)

        assert any(name.startswith("append.lost_answer@w0#") for name in simulated.struck)
        simulated.assert_ran("daily", times=31)
        assert made(simulated) == 31


def test_a_process_that_a_fault_ends_is_started_again() -> None:
    """
    After a second, as by a supervisor; what is crashed on purpose stays down.
    """
    with SimulatedScheduler([report], faults={"append.crash_after": 100}, seed=2) as simulated:
        simulated.schedule_task(daily())
        simulated.advance(days=31)

        assert any(name.startswith("append.crash_after@w0#") for name in simulated.struck)
        simulated.assert_ran("daily", times=31)
        simulated.crash()
        simulated.advance(days=1)
        simulated.assert_ran("daily", times=31)


# Handlers of every kind.


def test_a_coroutine_takes_virtual_time_and_stops_at_its_deadline() -> None:
    """
    It waits where it stands; what would come behind its deadline does not happen.
    """
    done: list[str] = []

    @task_handler("slow", timeout=20, max_retries=1)
    async def slow(ctx: TaskContext, payload: bytes) -> None:
        await asyncio.gather(asyncio.sleep(15), asyncio.sleep(3))
        done.append("first")
        try:
            await asyncio.sleep(15)
        except asyncio.CancelledError:
            done.append("cancelled")
            raise
        done.append("second")

    with SimulatedScheduler([slow]) as simulated:
        simulated.schedule_task(now("slow"))
        simulated.advance(14)
        assert done == []
        simulated.advance(2)
        assert done == ["first"]
        simulated.advance(20)

        assert done == ["first", "cancelled"]
        simulated.assert_ran("once", outcome="timed_out")


def test_a_crash_leaves_a_coroutine_where_it_stands() -> None:
    """
    Its second half does not happen in a process that is dead.
    """
    done: list[str] = []

    @task_handler("slow")
    async def slow(ctx: TaskContext, payload: bytes) -> None:
        done.append("first")
        await asyncio.sleep(10)
        done.append("second")

    with SimulatedScheduler([slow]) as simulated:
        simulated.schedule_task(now("slow"))
        simulated.advance(5)
        simulated.crash()
        simulated.advance(60)
        assert done == ["first"]
        simulated.restart()
        simulated.advance(60)

    assert done == ["first", "first", "second"]


def test_a_coroutine_that_will_not_end_is_left_at_the_end() -> None:
    """
    Closing comes to an end, whatever a handler does when it is cancelled.
    """

    @task_handler("stubborn")
    async def stubborn(ctx: TaskContext, payload: bytes) -> None:
        while ctx.attempt:
            try:
                await asyncio.sleep(10)
            except asyncio.CancelledError:
                await asyncio.sleep(20)

    with SimulatedScheduler([stubborn]) as simulated:
        simulated.schedule_task(now("stubborn"))
        simulated.advance(5)


def test_a_simulation_may_be_driven_by_a_coroutine() -> None:
    """
    A test that is a coroutine itself has a loop already.
    """

    @task_handler("slow")
    async def slow(ctx: TaskContext, payload: bytes) -> None:
        await asyncio.sleep(10)

    async def drive() -> None:
        with SimulatedScheduler([slow]) as simulated:
            simulated.schedule_task(now("slow"))
            simulated.advance(60)
            simulated.assert_ran("once", times=1)

    asyncio.run(drive())


def test_a_coroutine_that_waits_for_the_world_says_so() -> None:
    """
    Nothing would ever wake it, and it is named.
    """

    @task_handler("stuck")
    async def stuck(ctx: TaskContext, payload: bytes) -> None:
        await asyncio.get_running_loop().create_future()

    with SimulatedScheduler([stuck]) as simulated:
        simulated.schedule_task(now("stuck"))
        with pytest.raises(RuntimeError, match=r"stuck of 'stuck': it waits for what no timer"):
            simulated.advance(1)


def test_a_handler_that_sleeps_past_its_deadline_sees_it() -> None:
    """
    As a thread would: `ctx.sleep` raises when its time is over.
    """
    seen: list[str] = []

    @task_handler("sleepy", timeout=20, max_retries=1)
    def sleepy(ctx: TaskContext, payload: bytes) -> None:
        ctx.sleep(15)
        seen.append("first")
        try:
            ctx.sleep(15)
        except RunCancelled:
            seen.append("cancelled")
            raise

    with SimulatedScheduler([sleepy]) as simulated:
        simulated.schedule_task(now("sleepy"))
        simulated.advance(30)

        assert seen == ["first", "cancelled"]
        simulated.assert_ran("once", outcome="timed_out")
        (run,) = simulated.runs("once")
        assert run.duration == timedelta(seconds=20)


def test_a_run_that_is_cancelled_while_it_sleeps_is_cancelled() -> None:
    """
    Its attempt ends within a second.
    """

    @task_handler("sleepy")
    def sleepy(ctx: TaskContext, payload: bytes) -> None:
        ctx.sleep(100)

    with SimulatedScheduler([sleepy]) as simulated:
        simulated.schedule_task(now("sleepy"))
        simulated.advance(5)
        simulated.cancel_run("once/1@2026-01-01T00:00:00Z#1", "enough")
        simulated.advance(1)

        simulated.assert_ran("once", outcome="cancelled")


def test_a_handler_that_looks_before_it_works_sees_that_it_was_cancelled() -> None:
    """
    Asked to stop in its first half, it is called with `ctx.cancelled`.
    """

    @task_handler("careful")
    def careful(ctx: TaskContext, payload: bytes) -> None:
        ctx.check_cancelled()

    with SimulatedScheduler([careful], lasts=lambda ctx: 10 * ctx.attempt) as simulated:
        simulated.schedule_task(now("careful"))
        simulated.advance(2)
        simulated.cancel_task("once")
        simulated.advance(1)

        simulated.assert_ran("once", outcome="cancelled")


def test_typed_payloads_chains_and_middleware_work_as_ever() -> None:
    """
    They are the scheduler's own; only time is another.
    """

    @frozen
    class Mail:
        to: str

    @task_handler("mail", payload=Mail)
    def mail(mail: Mail) -> ScheduleTaskRequest:
        return ScheduleTaskRequest(f"report-{mail.to}", "report", Immediate())

    class Seen(Middleware):
        def __init__(self) -> None:
            self.tasks: list[str] = []

        def before(self, ctx: TaskContext) -> None:
            self.tasks.append(ctx.task_id)

    seen = Seen()
    with SimulatedScheduler([mail, report], middleware=[seen]) as simulated:
        simulated.schedule_task(mail.request("mail", Immediate(), Mail("ada")))
        simulated.advance(1)

        assert seen.tasks == ["mail", "report-ada"]
        simulated.assert_ran("report-ada", times=1)


def test_an_event_processor_works_on_the_same_log() -> None:
    """
    By the simulation's store; what it appends is checked, and wakes the schedulers.
    """

    class MailsReports:
        name = "mails reports"
        types = ("report_made",)

        def handle(self, event: Event) -> Sequence[Write]:
            return simulated.scheduling(now("mail", f"mail-{event.position}"))

    mails = Mails()
    with SimulatedScheduler([report, mails.handler()]) as simulated:
        processor = EventProcessor(simulated.store, [MailsReports()], name="reactions")
        simulated.schedule_task(daily())
        simulated.advance(days=1)
        processor.catch_up()
        simulated.advance(1)

        assert len(mails.sent) == 1
        simulated.store.append(Write("note-1", [NewEvent("noted", b"")], ANY))
        assert simulated.events[-1].type == "noted"


def test_the_defaults_of_the_schedulers_are_shown_and_checked() -> None:
    """
    What is said of each scheduler is what tasks show, and what the invariants go by.
    """

    @task_handler("failing")
    def failing(ctx: TaskContext, payload: bytes) -> None:
        raise ConnectionError("no answer")

    with SimulatedScheduler([failing], default_max_retries=5, default_timeout=60) as simulated:
        task = simulated.schedule_task(now("failing"))
        simulated.advance(hours=3)

        assert (task.max_retries, task.timeout) == (5, timedelta(minutes=1))
        simulated.assert_ran("once", times=5, outcome="failed")
        with pytest.raises(AssertionError, match="'once' is disabled"):
            simulated.assert_scheduled("once")


def test_invariants_go_by_the_policy_of_the_schedulers() -> None:
    """
    It is not in the log: a task whose runs may exhaust themselves without end breaks nothing.
    """

    @task_handler("failing")
    def failing(ctx: TaskContext, payload: bytes) -> None:
        raise ConnectionError("no answer")

    policy = RetryPolicy(max_attempts=2, base=60, on_exhausted="continue")
    with SimulatedScheduler([failing], retry=policy) as simulated:
        simulated.schedule_task(daily("failing"))
        simulated.advance(days=3)

        simulated.assert_ran("daily", times=6, outcome="failed")
        simulated.assert_scheduled("daily")


# Seeds.


def one_run(seed: int, faults: Mapping[str, int] | None = None) -> SimulatedScheduler:
    """
    Simulate two days.
    """
    with SimulatedScheduler([report, busy], seed=seed, faults=faults) as simulated:
        simulated.schedule_task(daily("busy"))
        simulated.schedule_task(ScheduleTaskRequest("often", "report", Interval(3600)))
        simulated.advance(days=2)
    return simulated


def test_one_seed_is_one_run() -> None:
    """
    Same seed, same trace; another seed, another trace where anything is drawn.
    """
    faults = {"append.lost_answer": 100, "attempt.late": 100}
    hashes = [one_run(seed, faults).trace_hash for seed in (1, 1, 2)]

    assert hashes[0] == hashes[1] != hashes[2]
    assert one_run(1).trace_hash == one_run(2).trace_hash


def test_a_trace_tells_events_and_crashes_and_no_passes() -> None:
    """
    A line each, with the time.
    """
    with SimulatedScheduler([report]) as simulated:
        simulated.schedule_task(now("report"))
        simulated.advance(1)
        simulated.crash()

        starts, scheduled, *_, crashes = simulated.trace.splitlines()
        assert starts == "01-01 00:00:00.000000   w0 starts"
        assert scheduled.startswith("01-01 00:00:00.000000  log 1: TaskScheduled in $task-once {")
        assert crashes == "01-01 00:00:01.000000   w0 crashes: it is killed"
        assert "has passed" not in simulated.trace
        assert repr(simulated) == "<SimulatedScheduler at 2026-01-01 00:00:01, 4 events, seed 0>"
        assert simulated.clock.now() == 1_767_225_601_000_000


# What has to hold.


def test_what_must_always_hold_is_asked_after_each_event() -> None:
    """
    The breach names it, the position, the seed and the last events; the simulation ends there.
    """
    with SimulatedScheduler([report], seed=7) as simulated:
        simulated.always(lambda s: made(s) < 3, "two reports at most")
        simulated.schedule_task(daily())
        with pytest.raises(InvariantBroken) as broken:
            simulated.advance(days=31)

        assert broken.value.seed == 7
        assert [breach.position for breach in broken.value.breaches] == [9]
        first, *_, last = str(broken.value).splitlines()
        assert first == (
            "'two reports at most' does not hold at position 9 (seed 7): it does not hold after "
            "report_made"
        )
        assert last == "     9 2026-01-03 09:00:00 report_made in report-daily"
        with pytest.raises(InvariantBroken):
            simulated.advance(1)
        simulated.close()


def test_an_invariant_that_raises_is_broken_where_it_did() -> None:
    """
    With what it raised as the cause, so that its traceback is seen.
    """

    def no_report(simulated: SimulatedScheduler) -> None:
        assert made(simulated) == 0, "there is one"

    with SimulatedScheduler([report]) as simulated:
        simulated.always(no_report)
        simulated.schedule_task(daily())
        with pytest.raises(InvariantBroken, match=r"'no_report' .* position 3") as broken:
            simulated.advance(days=1)

        assert str(broken.value.__cause__).startswith("there is one")
        simulated.close()


@pytest.mark.parametrize(
    "act",
    [
        lambda s: s.crash(),
        lambda s: s.restart(),
        lambda s: s.rebuild(),
        lambda s: s.freeze(),
        lambda s: s.jump_clock(1),
    ],
)
def test_an_invariant_looks_and_changes_nothing(act: Callable[[Any], object]) -> None:
    """
    Also what is asked whether it has come: it would be asked for ever.
    """
    with SimulatedScheduler([report]) as simulated:
        simulated.schedule_task(daily())
        with pytest.raises(RuntimeError, match="changes nothing there"):
            simulated.eventually(act, within=60)
        simulated.always(act)
        with pytest.raises(InvariantBroken, match=r"position 2 .*changes nothing there"):
            simulated.advance(days=1)
        simulated.close()


def test_what_comes_is_seen_when_it_comes() -> None:
    """
    Time stands where it was seen; what does not come is a failure with its name and the seed.
    """
    with SimulatedScheduler([report]) as simulated:
        simulated.schedule_task(daily())
        at = simulated.eventually(lambda s: made(s) == 2, within=timedelta(days=3))

        assert at == simulated.now == datetime(2026, 1, 2, 9, tzinfo=UTC)
        with pytest.raises(AssertionError, match=r"'the moon' has not come by 2026-01-02T10:00"):
            simulated.eventually(lambda _: False, within=3600, name="the moon")


def test_an_assertion_says_what_the_task_did_instead() -> None:
    """
    So that nobody has to look for it.
    """
    with SimulatedScheduler([busy]) as simulated:
        simulated.schedule_task(daily("busy"))
        simulated.advance_to(datetime(2026, 1, 3, 9, 0, 30, tzinfo=UTC))

        with pytest.raises(AssertionError) as failed:
            simulated.assert_ran("daily", times=3)
        assert str(failed.value) == (
            "task 'daily' succeeded 2 times, not 3 times; its last attempts: "
            "daily/1@2026-01-01T09:00:00Z#1 succeeded; daily/1@2026-01-02T09:00:00Z#1 succeeded; "
            "daily/1@2026-01-03T09:00:00Z#1 failed (no answer)"
        )
        with pytest.raises(AssertionError, match="succeeded 0 times for 2026-01-05"):
            simulated.assert_ran("daily", at=datetime(2026, 1, 5, 9, tzinfo=UTC))
        with pytest.raises(AssertionError, match="runs next at 2026-01-04T09:00"):
            simulated.assert_scheduled("daily", at=datetime(2026, 1, 5, 9, tzinfo=UTC))
        with pytest.raises(AssertionError, match="there is no task 'weekly'"):
            simulated.assert_scheduled("weekly")


# What is refused.


def with_an_event(clock: Clock) -> EventStore:
    """
    Open a log that somebody has written to.
    """
    store = open_store("memory://", clock=clock)
    store.append(Write("old", [NewEvent("old", b"")], ANY))
    return store


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"faults": {"append.bussy": 1}}, ValueError, "there is no fault 'append.bussy'"),
        ({"faults": {"table.torn": 1}}, ValueError, "keeps its in memory"),
        ({"faults": {"append.busy": 1001}}, ValueError, "the chance of append.busy"),
        ({"schedulers": 0}, ValueError, "schedulers"),
        ({"schedulers": 101}, ValueError, "schedulers"),
        ({"seed": 1.5}, TypeError, "seed"),
        ({"lasts": float("nan")}, ValueError, "lasts is nan"),
        ({"lasts": -1}, ValueError, "lasts is -1"),
        ({"start": datetime(2026, 1, 1)}, ValueError, "has no time zone"),  # noqa: DTZ001
        ({"start": date(2026, 1, 1)}, TypeError, "aware datetime"),
        ({"worker_id": "me"}, TypeError, "a worker_id of its own"),
        ({"pole_interval": 1}, TypeError, "pole_interval"),
        ({"poll_interval": 0}, ValueError, "poll_interval"),
        ({"poll_interval": -1}, ValueError, "poll_interval is -1; give a positive time"),
        ({"lease": None}, TypeError, "lease is a timedelta"),
        ({"max_concurrent_tasks": "x"}, TypeError, "max_concurrent_tasks is an integer, not 'x'"),
        ({"faults": ["append.busy"]}, TypeError, "faults maps names to thousandths"),
        ({"store": "memory://"}, TypeError, "store is what opens a log with a clock"),
        ({"store": lambda _: None}, TypeError, "store= returned None, which is no log"),
        ({"store": with_an_event}, ValueError, "the log is not empty"),
    ],
)
def test_a_simulation_that_cannot_be_is_refused(
    options: dict[str, Any], error: type[Exception], said: str
) -> None:
    """
    When it is made, by the name of what is wrong.
    """
    with pytest.raises(error, match=said):
        SimulatedScheduler([report], **options)


def test_handlers_may_come_from_anywhere_and_must_be_handlers() -> None:
    """
    A generator is read once; a class is no handler.
    """
    with SimulatedScheduler(handler for handler in (report, busy)) as simulated:
        simulated.schedule_task(daily())
        simulated.crash()
        simulated.restart()
        simulated.advance(days=1)
        simulated.assert_ran("daily", times=1)
    with pytest.raises(InvalidTask):
        SimulatedScheduler(cast("list[TaskHandler]", [TaskHandler]))


@pytest.mark.parametrize(
    ("act", "error", "said"),
    [
        (lambda s: s.advance(-1), ValueError, "by is -1"),
        (lambda s: s.advance(days=-1), ValueError, "by is -1 day"),
        (lambda s: s.advance(float("nan")), ValueError, "by is nan"),
        (lambda s: s.advance("1"), TypeError, "by is a timedelta"),
        (lambda s: s.advance(), TypeError, "give one of the two"),
        (lambda s: s.advance(1, days=1), TypeError, "give one of the two"),
        (lambda s: s.advance(day=1), TypeError, "day"),
        (lambda s: s.advance_to(datetime(2025, 1, 1, tzinfo=UTC)), ValueError, "already"),
        (lambda s: s.advance_to(datetime(2027, 1, 1)), ValueError, "no time zone"),  # noqa: DTZ001
        (lambda s: s.crash(1), ValueError, "there is no scheduler 1; the simulation has 1"),
        (lambda s: s.freeze(-1), ValueError, "scheduler"),
        (lambda s: s.thaw("w0"), TypeError, "scheduler"),
        (lambda s: s.jump_clock(float("inf")), ValueError, "by is inf"),
        (lambda s: s.jump_clock(timedelta(days=-50_000)), ValueError, "100 years"),
        (lambda s: s.jump_clock("x"), TypeError, "by is a timedelta"),
        (lambda s: s.eventually(bool, within=-1), ValueError, "within is -1"),
        (lambda s: s.eventually(None, within=1), TypeError, "None cannot be called"),
        (lambda s: s.always(None), TypeError, "None cannot be called"),
        (lambda s: s.assert_ran("daily", at=datetime(2026, 1, 1)), ValueError, "no time zone"),  # noqa: DTZ001
        (lambda s: s.assert_ran("daily", times=-1), ValueError, "times is -1"),
        (lambda s: s.assert_ran("daily", outcome="done"), ValueError, "'done' is no outcome"),
        (
            lambda s: s.assert_scheduled("daily", at=datetime(2026, 1, 1)),  # noqa: DTZ001
            ValueError,
            "no time zone",
        ),
    ],
)
def test_what_cannot_be_done_is_refused(
    act: Callable[[Any], object], error: type[Exception], said: str
) -> None:
    """
    And nothing has happened.
    """
    with SimulatedScheduler([report]) as simulated:
        simulated.schedule_task(daily())
        with pytest.raises(error, match=said):
            act(simulated)

        assert simulated.now == datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("lasts", [None, -1, "long"])
def test_how_long_an_attempt_takes_is_refused_where_time_passes(lasts: Any) -> None:  # noqa: ANN401
    """
    What says it is the user's own, and no attempt waits for ever because of it.
    """
    with SimulatedScheduler([report], lasts=lambda _: lasts) as simulated:
        simulated.schedule_task(daily())
        with pytest.raises((TypeError, ValueError), match="lasts is"):
            simulated.advance(days=1)

        assert simulated.now == datetime(2026, 1, 1, 9, tzinfo=UTC)
        simulated.close()


def test_what_is_closed_does_nothing_more() -> None:
    """
    It may be closed again.
    """
    simulated = SimulatedScheduler([report])
    simulated.close()
    simulated.close()

    for act in (
        lambda: simulated.advance(1),
        simulated.crash,
        lambda: simulated.always(bool),
        lambda: simulated.schedule_task(daily()),
    ):
        with pytest.raises(StoreClosed):
            act()


def test_time_does_not_pass_within_time() -> None:
    """
    A handler that asks for it fails, as do its attempts.
    """

    @task_handler("impatient", max_retries=1)
    def impatient(ctx: TaskContext, payload: bytes) -> None:
        simulated.advance(1)

    with SimulatedScheduler([impatient]) as simulated:
        simulated.schedule_task(now("impatient"))
        simulated.advance(1)

        (run,) = simulated.runs("once")
        assert run.error is not None
        assert run.error.startswith("time passes already")
