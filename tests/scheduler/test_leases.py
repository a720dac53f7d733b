"""
Leases: who is believed to be alive, on a clock that is moved by hand.
"""

from datetime import timedelta
from pathlib import Path
from threading import Event, Thread
from threading import enumerate as enumerate_threads

import pytest

from azoth.clocks import Instant, Microseconds, instant_of
from azoth.errors import StoreBusy, StoreClosed
from azoth.store import LeaseStore
from azoth.testing import ManualClock
from azoth.urls import open_store
from azoth_scheduler import (
    Interval,
    Scheduler,
    TaskDisabled,
    TaskEvent,
    TaskExecuted,
    TaskRunAbandoned,
    TaskRunStarted,
)
from azoth_scheduler.leases import LeaseKeeper, Renewing
from tests.support.faults import FaultyLog, WithoutLeases
from tests.support.stage import NOON, PATIENCE, Stage, acts, request, running, task


def silent(stage: Stage, **options: object) -> Scheduler:
    """
    Return a scheduler that has claimed task `a` and then never makes a pass again.
    """
    gate = stage.gate()
    scheduler, _ = stage.threaded(acts(gate), worker_id="silent", **options)
    scheduler.schedule_task(request(timeout=600))
    scheduler.step()
    gate.wait_inside()
    return scheduler


def test_a_worker_that_falls_silent_loses_its_attempt_after_one_lease(stage: Stage) -> None:
    """
    When `lease_until` is past and its row has stood still for one lease on the observer's clock.
    """
    silent(stage)
    worker = acts()
    other = stage.scheduler(worker, worker_id="other")
    other.run_pending()

    stage.clock.advance(29)
    other.run_pending()
    assert worker.contexts == []
    stage.clock.advance(1)
    other.run_pending()

    (abandoned,) = stage.told(TaskRunAbandoned)
    assert abandoned.reason == "its lease has run out"
    assert abandoned.worker_id == "silent/1"
    assert abandoned.lease_until == instant_of(NOON + timedelta(seconds=30))
    assert worker.executions == ["a/1@2026-01-01T12:00:00Z#2"]
    assert task(other).status == "completed"


def test_an_observer_that_comes_late_waits_for_one_lease_of_its_own(stage: Stage) -> None:
    """
    A lease that looks long past may be one whose clock is behind: the row has to stand still.
    """
    silent(stage)
    stage.clock.advance(3_600)
    worker = acts()
    other = stage.scheduler(worker, worker_id="other")

    other.run_pending()
    stage.clock.advance(29)
    other.run_pending()
    assert worker.contexts == []
    stage.clock.advance(1)
    # The deadline is past too: then the attempt is lost, not timed out.
    other.run_pending()

    assert len(stage.told(TaskRunAbandoned)) == 1
    assert len(worker.contexts) == 1


def test_an_observer_whose_clock_is_ahead_takes_nothing_from_the_living(stage: Stage) -> None:
    """
    No clock is compared with another's: a row that moves is alive, whatever it says.
    """
    busy = silent(stage)
    ahead = ManualClock(NOON + timedelta(days=1))
    other = stage.scheduler(acts(), worker_id="other", clock=ahead)

    for _ in range(50):
        other.run_pending()
        stage.clock.advance(10)
        ahead.advance(10)
        busy.step()

    assert stage.told(TaskRunAbandoned) == []


def test_a_worker_whose_clock_was_set_back_is_alive_while_it_renews(stage: Stage) -> None:
    """
    Its row goes back, but it moves.
    """
    busy = silent(stage)
    steady = ManualClock(NOON)
    other = stage.scheduler(acts(), worker_id="other", clock=steady)
    stage.clock.set(NOON - timedelta(hours=1))

    for _ in range(50):
        other.run_pending()
        stage.clock.advance(10)
        steady.advance(10)
        busy.step()

    assert stage.told(TaskRunAbandoned) == []


def test_passes_renew_the_lease_at_a_third_of_it(stage: Stage) -> None:
    """
    Every 10 s of 30: two renewals may fail before it runs out.
    """
    assert isinstance(stage.store, LeaseStore)
    scheduler = silent(stage)
    leases = stage.store

    for advance, until in [(9, 30), (1, 40), (9, 40), (1, 50)]:
        stage.clock.advance(advance)
        scheduler.step()
        (lease,) = leases.leases()
        assert lease.until == instant_of(NOON + timedelta(seconds=until))


def test_a_scheduler_that_never_claims_keeps_no_lease(stage: Stage) -> None:
    """
    A client leaves no row behind.
    """
    assert isinstance(stage.store, LeaseStore)
    client = stage.scheduler()
    client.schedule_task(request())

    client.run_pending()

    assert stage.store.leases() == []


def test_each_start_of_a_worker_is_another_incarnation(stage: Stage) -> None:
    """
    `worker_id` carries it, so nobody is taken for who had the name before.
    """
    for task_id in ("a", "b", "c"):
        scheduler = stage.scheduler(acts(), worker_id="web-1")
        scheduler.schedule_task(request(task_id))
        scheduler.run_pending()

    workers = [event.worker_id for event in stage.told(TaskRunStarted)]
    assert workers == ["web-1/1", "web-1/2", "web-1/3"]


def test_schedulers_of_one_name_that_start_at_once_are_told_apart(stage: Stage) -> None:
    """
    They may share a store object, and begin in the same moment.
    """
    keepers = [
        LeaseKeeper(stage.store, stage.clock, "web-1", Microseconds(30_000_000)) for _ in range(8)
    ]
    threads = [Thread(target=lambda one=one: one.worker_id) for one in keepers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)

    assert sorted(keeper.worker_id for keeper in keepers) == [f"web-1/{n}" for n in range(1, 9)]


def test_a_scheduler_may_take_over_from_itself(stage: Stage) -> None:
    """
    Dropped without a close and made again under the same name, it is another worker to itself.
    """
    silent(stage)
    worker = acts()
    again = stage.scheduler(worker, worker_id="silent")

    again.run_pending()
    assert worker.contexts == []
    stage.clock.advance(30)
    again.run_pending()

    assert [context.attempt for context in worker.contexts] == [2]


@pytest.mark.rule("S-09")
def test_a_dead_worker_of_a_file_is_released_at_once(tmp_path: Path, clock: ManualClock) -> None:
    """
    Whose lock is free is dead, on this host: nobody waits for its lease.
    """
    url = f"sqlite:///{tmp_path}/log.db?durability=normal"
    dying = open_store(url, clock=clock)
    stage = Stage(dying, clock)
    silent(stage)
    # What the end of a process does: its locks are freed, its rows stay.
    dying.close()

    with open_store(url, clock=clock) as store:
        alive = Stage(store, clock)
        worker = acts()
        alive.scheduler(worker, worker_id="other").run_pending()

        (abandoned,) = alive.told(TaskRunAbandoned)
        assert abandoned.reason == "its worker is dead"
        assert abandoned.lost_count == 1
        assert [context.attempt for context in worker.contexts] == [2]
        alive.close()
    stage.sound = False
    stage.close()


def test_a_lost_attempt_is_no_failure(stage: Stage) -> None:
    """
    The run is due again at once and no retry is used up.
    """
    silent(stage)
    worker = acts(lambda ctx, payload: TaskEvent("made"))
    other = stage.scheduler(worker, worker_id="other")
    other.run_pending()
    stage.clock.advance(30)
    other.run_pending()

    (context,) = worker.contexts
    assert (context.attempt, context.execution_attempt) == (2, 0)
    assert task(other).retry_count == 0
    assert task(other).totals.abandoned == 1


def test_a_run_that_is_lost_three_times_in_a_row_is_exhausted(stage: Stage) -> None:
    """
    It may be what kills its workers: after `max_lost` the task is disabled.
    """
    worker = acts()
    for number in range(3):
        gate = stage.gate()
        dying, _ = stage.threaded(acts(gate), worker_id=f"dying-{number}")
        dying.schedule_task(request(timeout=600))
        dying.step()
        gate.wait_inside()
        observer = stage.scheduler(worker_id="observer")
        observer.step()
        stage.clock.advance(30)
        observer.step()

    assert [event.lost_count for event in stage.told(TaskRunAbandoned)] == [1, 2, 3]
    (disabled,) = stage.told(TaskDisabled)
    assert disabled.reason == "exhausted: lost 3 times in a row"
    assert task(stage.scheduler(worker)).status == "disabled"


def test_an_outcome_ends_the_row_of_losses(stage: Stage) -> None:
    """
    Only losses in a row count.
    """
    silent(stage, max_lost=2)
    failing = stage.scheduler(acts(lambda ctx, payload: 1 / 0), worker_id="failing", max_lost=2)
    failing.run_pending()
    stage.clock.advance(30)
    failing.run_pending()
    assert task(failing).status == "retrying"
    stage.clock.advance(60)
    gate = stage.gate()
    dying, _ = stage.threaded(acts(gate), worker_id="dying")
    dying.step()
    gate.wait_inside()
    failing.run_pending()
    stage.clock.advance(30)
    failing.run_pending()

    assert [event.lost_count for event in stage.told(TaskRunAbandoned)] == [1, 1]


def test_another_scheduler_enforces_a_deadline_one_lease_late(stage: Stage) -> None:
    """
    A worker that renews and neglects its deadlines: a thread hung before it could look.
    """
    scheduler = silent(stage)
    worker = acts()
    other = stage.scheduler(worker, worker_id="other")
    renewed = scheduler._keeper

    for _ in range(62):
        stage.clock.advance(10)
        renewed.renew()
        other.run_pending()
    assert stage.told(TaskExecuted) == []
    stage.clock.advance(10)
    renewed.renew()
    other.run_pending()

    (executed,) = stage.told(TaskExecuted)
    assert executed.outcome == "timed_out"
    assert executed.worker_id == "silent/1"
    assert task(other).retry_at == stage.now + timedelta(minutes=1)


def test_only_who_serves_a_type_enforces_its_deadlines(stage: Stage) -> None:
    """
    What the handler says of retries is not known to others.
    """
    scheduler = silent(stage)
    other = stage.scheduler(acts(task_type="other"), worker_id="other")

    for _ in range(70):
        stage.clock.advance(10)
        scheduler._keeper.renew()
        other.run_pending()

    assert stage.told(TaskExecuted) == []


def test_without_leases_a_claim_holds_to_its_deadline(stage: Stage) -> None:
    """
    A store that keeps none: `lease_until` is `deadline_at`, and then one lease of standing still.
    """
    store = WithoutLeases(stage.store)
    silent(stage, store=store)
    worker = acts()
    other = stage.scheduler(worker, worker_id="other", store=store)
    (started,) = stage.told(TaskRunStarted)
    assert started.lease_until == started.deadline_at

    for _ in range(59):
        other.run_pending()
        stage.clock.advance(10)
    other.run_pending()
    assert stage.told(TaskRunAbandoned) == []
    stage.clock.advance(10)
    other.run_pending()

    assert [event.reason for event in stage.told(TaskRunAbandoned)] == ["its lease has run out"]
    assert [context.attempt for context in worker.contexts] == [2]


def test_without_leases_each_attempt_is_watched_by_itself(stage: Stage) -> None:
    """
    A short attempt is not kept by a long one of the same worker.
    """
    store = WithoutLeases(stage.store)
    gate = stage.gate()
    dying, _ = stage.threaded(acts(gate), worker_id="dying", store=store)
    dying.schedule_tasks([request("long", timeout=6_000), request("short", timeout=60)])
    dying.step()
    gate.wait_inside(2)
    other = stage.scheduler(acts(), worker_id="other", store=store)

    for _ in range(10):
        other.run_pending()
        stage.clock.advance(10)

    assert [event.task_id for event in stage.told(TaskRunAbandoned)] == ["short"]


def test_one_survey_is_made_for_each_poll(stage: Stage) -> None:
    """
    However often a scheduler is woken, it looks after others once a poll interval.
    """
    silent(stage)
    faulty = FaultyLog(stage.store)
    other = stage.scheduler(acts(), worker_id="other", store=faulty, poll_interval=5)
    other.step()
    faulty.fail_leases(StoreBusy(seconds=5))

    for _ in range(4):
        stage.clock.advance(1)
        assert other.step() is None
    stage.clock.advance(1)

    assert other.step() == stage.now + timedelta(milliseconds=50)


def test_a_lease_is_renewed_on_a_thread_of_its_own(stage: Stage) -> None:
    """
    Whatever a pass does meanwhile; a renewal that fails is tried again.
    """
    renewed = Event()
    faulty = FaultyLog(stage.store)
    # So short that the thread looks every 10 ms.
    keeper = LeaseKeeper(faulty, stage.clock, "quick", Microseconds(30_000))
    assert keeper.worker_id == "quick/1"
    faulty.on_renewal = renewed.set
    faulty.fail_leases(StoreBusy(seconds=5))
    stage.clock.advance(1)

    with Renewing(keeper, lambda: False):
        assert renewed.wait(PATIENCE)


def test_a_renewing_thread_ends_with_its_store(stage: Stage) -> None:
    """
    A store that was closed has no leases to renew.
    """
    faulty = FaultyLog(stage.store)
    keeper = LeaseKeeper(faulty, stage.clock, "quick", Microseconds(30_000))
    assert keeper.worker_id == "quick/1"
    faulty.fail_leases(StoreClosed())
    stage.clock.advance(1)
    before = set(enumerate_threads())

    with Renewing(keeper, lambda: True):
        (thread,) = set(enumerate_threads()) - before
    # It would go on for as long as the claim is held, which is for ever.
    thread.join(PATIENCE)

    assert not thread.is_alive()


def test_a_worker_that_is_somebody_else_by_now_takes_another_id(stage: Stage) -> None:
    """
    Another process holds its lock, as a parent does in its fork: it is not who it was.
    """
    held = {"web-1/1", "web-1/2"}

    class Held(FaultyLog):
        """
        Refuse ids whose locks others hold.
        """

        def renew(self, worker: str, until: Instant) -> bool:
            return worker not in held and super().renew(worker, until)

    keeper = LeaseKeeper(Held(stage.store), stage.clock, "web-1", Microseconds(30_000_000))
    assert keeper.worker_id == "web-1/3"
    held.add("web-1/3")
    stage.clock.advance(10)

    keeper.renew()

    assert keeper.worker_id == "web-1/4"


def test_a_hung_handler_keeps_its_claim_after_the_loop_has_ended(stage: Stage) -> None:
    """
    A thread that still runs keeps its claim until its process is gone.
    """
    gate = stage.gate()
    renewed = Event()
    faulty = FaultyLog(stage.store)
    scheduler, _ = stage.threaded(acts(gate), store=faulty, lease=0.03)
    scheduler.schedule_task(request(timeout=600))
    with running(scheduler, grace=0):
        gate.wait_inside()
    faulty.on_renewal = renewed.set
    stage.clock.advance(1)

    assert renewed.wait(PATIENCE)
    assert task(scheduler).status == "running"


def test_a_recurring_task_goes_on_after_a_loss(stage: Stage) -> None:
    """
    The occurrence that was lost is run again, under the same run id; then the next ones.
    """
    gate = stage.gate()
    dying, _ = stage.threaded(acts(gate), worker_id="dying")
    dying.schedule_task(request("a", Interval(60), timeout=600))
    stage.clock.advance(60)
    dying.step()
    gate.wait_inside()
    worker = acts()
    other = stage.scheduler(worker, worker_id="other")
    other.run_pending()
    stage.clock.advance(30)
    other.run_pending()
    stage.clock.advance(30)
    other.run_pending()

    assert worker.executions == ["a/1@2026-01-01T12:01:00Z#2", "a/1@2026-01-01T12:02:00Z#1"]
