"""
The plan of a pass: a function of what was gathered and of the time, and of nothing else.
"""

from collections.abc import Sequence
from typing import Any, Final

from azoth.clocks import Microseconds
from azoth.events import NewEvent, Write
from azoth.streams import ANY
from azoth_scheduler.events import (
    Options,
    TaskDisabled,
    TaskExecuted,
    TaskRunAbandoned,
    TaskRunSkipped,
    TaskRunStarted,
)
from azoth_scheduler.execution import Fence, Finished
from azoth_scheduler.plan import Gathered, Lost, Overdue, Plan, Stop, plan
from azoth_scheduler.retries import RetryPolicy
from azoth_scheduler.schedules import Interval
from azoth_scheduler.settings import Settings, TypeDefaults
from tests.support.stage import Said
from tests.support.task_story import SECOND, Story, at

SERVING: Final = Settings(by_type={"generate_report": TypeDefaults()})
ME: Final = "me/1"
OUTPUT: Final = (Write("made-a", [NewEvent("made", b"")], ANY),)


def due(task_id: str, priority: int = 0, queue: str = "default") -> Story:
    """
    Return the story of a task that is due at a minute past noon.
    """
    story = Story(task_id)
    story.schedule(Interval(60), options=Options(priority=priority, queue=queue))
    return story.at(seconds=60)


def started(task_id: str, worker_id: str = ME, queue: str = "default") -> Story:
    """
    Return the story of a task with an attempt that was claimed a minute past noon.
    """
    story = due(task_id, queue=queue)
    story.start(worker_id)
    return story


def fence_of(story: Story) -> Fence:
    """
    Return the fence of a story's attempt.
    """
    return story.state.task_id, story.fence


def finished(story: Story, **said: Said) -> Finished:
    """
    Return how a story's attempt ended: a success after a second, if nothing else is said.
    """
    usual: dict[str, Any] = {
        "fence": fence_of(story),
        "completed_at": at(seconds=61),
        "duration": Microseconds(SECOND),
        "outcome": "succeeded",
    }
    return Finished(**(usual | said))


def gathered(*stories: Story, **said: Said) -> Gathered:
    """
    Return what a pass knows of some tasks.
    """
    usual: dict[str, Any] = {
        "worker_id": ME,
        "settings": SERVING,
        "free": 0,
        "states": {story.state.task_id: story.state for story in stories},
    }
    return Gathered(**(usual | said))


def kinds(planned: Plan) -> Sequence[Sequence[type]]:
    """
    Return the kinds of the events of each unit.
    """
    return [[type(event) for event, _ in unit.changes] for unit in planned.units]


def test_nothing_gathered_is_nothing_planned() -> None:
    """
    An idle pass writes nothing and does nothing.
    """
    assert plan(gathered(), at()) == Plan(units=(), stops=(), refused=())


def test_the_same_arguments_give_the_same_plan() -> None:
    """
    No clock, no chance, no memory: also with everything in it at once.
    """
    ended, overdue, lost, waiting = (
        started("a"), started("b"), started("c", "dead/1"), due("d"),
    )  # fmt: skip
    arguments = gathered(
        ended,
        overdue,
        lost,
        waiting,
        free=3,
        finished=(finished(ended),),
        overdue=(Overdue(fence=fence_of(overdue), ran=Microseconds(300 * SECOND)),),
        lost=(Lost(fence=fence_of(lost), reason="gone", lease_until=at()),),
        due=(waiting.state,),
    )

    assert plan(arguments, at(seconds=400)) == plan(arguments, at(seconds=400))


def test_claims_fill_the_free_slots_in_order() -> None:
    """
    By priority, then due time, then id; at most as many as are free.
    """
    stories = [due("c"), due("b", priority=1), due("a"), due("z", priority=-1)]
    claims = gathered(*stories, free=3, due=tuple(story.state for story in stories))
    planned = plan(claims, at(seconds=60))

    assert [unit.task_id for unit in planned.units] == ["z", "a", "c"]
    assert kinds(planned) == [[TaskRunStarted]] * 3
    assert [unit.expected for unit in planned.units] == [1, 1, 1]
    assert [start.fence for unit in planned.units for start in unit.starts] == [
        ("z", 2), ("a", 2), ("c", 2),
    ]  # fmt: skip


def test_a_task_with_more_to_start_queues_up_again() -> None:
    """
    Each claim takes the run that is due first: not all of one task's before those of the next.
    """
    many = Story("many")
    many.schedule(Interval(10), options=Options(overlap="allow", catch_up="all"))
    many.at(seconds=45)
    one = Story("one")
    one.schedule(Interval(25))
    claims = gathered(many, one, free=4, due=(many.state, one.state))

    planned = plan(claims, at(seconds=45))

    begun = sorted(
        (start.run.nominal_at, start.fence[0]) for unit in planned.units for start in unit.starts
    )
    assert begun == [
        (at(seconds=10), "many"),
        (at(seconds=20), "many"),
        (at(seconds=25), "one"),
        (at(seconds=30), "many"),
    ]


def test_without_a_free_slot_nothing_is_claimed() -> None:
    """
    Whatever is due.
    """
    story = due("a")

    assert plan(gathered(story, due=(story.state,)), at(seconds=60)).units == ()


def test_an_outcome_carries_the_events_of_its_handler() -> None:
    """
    In one unit: all or none.
    """
    story = started("a")
    planned = plan(gathered(story, finished=(finished(story, output=OUTPUT),)), at(seconds=61))

    (unit,) = planned.units
    assert (unit.output, unit.settles, unit.expected) == (OUTPUT, (("a", 2),), 2)
    ((event, _),) = unit.changes
    assert isinstance(event, TaskExecuted)
    assert (event.triggered, event.fence) == (1, 2)


def test_a_task_that_an_outcome_frees_is_claimed_in_the_same_unit() -> None:
    """
    What is decided is evolved at once, so no pass is lost.
    """
    story = started("a")
    planned = plan(gathered(story, free=1, finished=(finished(story),)), at(seconds=120))

    assert kinds(planned) == [[TaskExecuted, TaskRunStarted]]
    (unit,) = planned.units
    assert [start.fence for start in unit.starts] == [("a", 4)]


def test_outcomes_stand_before_the_claims_on_their_slots() -> None:
    """
    C3: the limit holds at every prefix of what is appended.
    """
    ended, waiting = started("z"), due("a")
    planned = plan(
        gathered(ended, waiting, free=1, finished=(finished(ended),), due=(waiting.state,)),
        at(seconds=61),
    )

    assert [unit.task_id for unit in planned.units] == ["z", "a"]


def test_what_frees_a_slot_stands_before_what_takes_one() -> None:
    """
    C3: also where the one that takes it was taken from another worker first.
    """
    theirs, mine = started("a", "dead/1"), started("b")
    lost = (
        Lost(fence=fence_of(theirs), reason="gone", lease_until=at()),
        Lost(fence=fence_of(mine), reason="shutdown", lease_until=at(), given_back=True),
    )
    arguments = gathered(theirs, mine, free=1, lost=lost)

    planned = plan(arguments, at(seconds=70))

    assert kinds(planned) == [[TaskRunAbandoned], [TaskRunAbandoned, TaskRunStarted]]


def test_a_result_whose_fence_is_gone_is_refused() -> None:
    """
    C4: it writes nothing.
    """
    story = started("a")
    late = finished(story, output=OUTPUT)
    story.at(seconds=400).end("timed_out")

    planned = plan(gathered(story, finished=(late,)), at(seconds=400))

    assert planned == Plan(units=(), stops=(), refused=(late.fence,))


def test_a_result_that_came_after_its_deadline_is_a_timeout() -> None:
    """
    Its events are dropped, whatever the handler says.
    """
    story = started("a")
    late = finished(story, duration=Microseconds(300 * SECOND), output=OUTPUT)

    (unit,) = plan(gathered(story, finished=(late,)), at(seconds=400)).units

    ((event, _),) = unit.changes
    assert isinstance(event, TaskExecuted)
    assert (event.outcome, event.error, event.triggered) == (
        "timed_out", "timed out after 300 s", 0,
    )  # fmt: skip
    assert unit.output == ()


def test_one_unit_has_room_for_one_outcome() -> None:
    """
    The events of a handler stand directly before its own outcome; a second one waits.
    """
    story = started("a")
    first = finished(story)
    second = finished(story, fence=("a", 99), output=OUTPUT)

    planned = plan(gathered(story, finished=(first, second)), at(seconds=61))

    assert kinds(planned) == [[TaskExecuted]]
    assert planned.units[0].settles == (first.fence,)
    assert planned.refused == ()


def test_an_attempt_past_its_deadline_is_stopped_and_its_outcome_written() -> None:
    """
    It is told why.
    """
    story = started("a")
    overdue = Overdue(fence=fence_of(story), ran=Microseconds(301 * SECOND))

    planned = plan(gathered(story, overdue=(overdue,)), at(seconds=361))

    assert kinds(planned)[0][0] is TaskExecuted
    assert planned.stops == (Stop(fence=("a", 2), reason="timed out after 300 s"),)
    assert planned.units[0].settles == (("a", 2),)


def test_an_attempt_that_ended_in_the_same_pass_is_not_overdue() -> None:
    """
    The result came first.
    """
    story = started("a")
    overdue = Overdue(fence=fence_of(story), ran=Microseconds(301 * SECOND))

    planned = plan(gathered(story, finished=(finished(story),), overdue=(overdue,)), at(seconds=61))

    assert kinds(planned) == [[TaskExecuted]]
    assert planned.stops == ()


def test_the_deadline_of_another_worker_is_left_to_who_serves_its_type() -> None:
    """
    What a handler says of retries is not in the log.
    """
    story = started("a", "other/1")
    overdue = Overdue(fence=fence_of(story), ran=Microseconds(500 * SECOND))
    stranger = Settings(by_type={"other": TypeDefaults()})

    planned = plan(gathered(story, overdue=(overdue,), settings=stranger), at(seconds=600))

    assert planned.units == ()


def test_a_lost_attempt_is_taken_and_claimed_in_one_unit() -> None:
    """
    The run is due again at once, and this worker has a slot for it.
    """
    story = started("a", "dead/1")
    lost = Lost(fence=fence_of(story), reason="its worker is dead", lease_until=at())

    planned = plan(gathered(story, free=1, lost=(lost,)), at(seconds=70))

    assert kinds(planned) == [[TaskRunAbandoned, TaskRunStarted]]
    assert planned.units[0].starts[0].run.attempt == 2


def test_a_lost_attempt_of_a_queue_that_is_not_served_is_only_taken() -> None:
    """
    So is one of another type: somebody else claims it.
    """
    story = started("a", "dead/1", queue="slow")
    lost = Lost(fence=fence_of(story), reason="its worker is dead", lease_until=at())
    settings = Settings(by_type=SERVING.by_type, queues=("fast",))

    planned = plan(gathered(story, free=1, lost=(lost,), settings=settings), at(seconds=70))

    assert kinds(planned) == [[TaskRunAbandoned]]


def test_an_attempt_that_was_lost_too_often_disables_its_task() -> None:
    """
    `max_lost` in a row, as this scheduler has it.
    """
    story = started("a", "dead/1")
    lost = Lost(fence=fence_of(story), reason="gone", lease_until=at())
    settings = Settings(by_type=SERVING.by_type, max_lost=1)

    planned = plan(gathered(story, lost=(lost,), settings=settings), at(seconds=70))

    assert kinds(planned) == [[TaskRunAbandoned, TaskDisabled]]


def test_an_attempt_that_was_lost_too_often_obeys_the_policy_of_its_task() -> None:
    """
    The handler says that an exhausted run is no reason to stop, so its task goes on.
    """
    story = started("a", "dead/1")
    lost = Lost(fence=fence_of(story), reason="gone", lease_until=at())
    goes_on = TypeDefaults(retry=RetryPolicy(on_exhausted="continue"))
    settings = Settings(by_type={"generate_report": goes_on}, max_lost=1)

    planned = plan(gathered(story, lost=(lost,), settings=settings), at(seconds=70))

    assert kinds(planned) == [[TaskRunAbandoned]]


def test_what_is_given_back_and_gone_already_is_dropped() -> None:
    """
    Somebody else took it: there is nothing to give, and nothing to wait for.
    """
    story = started("a")
    mine = Lost(fence=("a", 2), reason="shutdown", lease_until=at(), given_back=True)
    story.abandon()

    planned = plan(gathered(story, lost=(mine,)), at(seconds=70))

    assert planned == Plan(units=(), stops=(), refused=(("a", 2),))


def test_a_cancelled_attempt_is_asked_to_stop() -> None:
    """
    Again in each pass, until it has ended: asking does no harm.
    """
    story = started("a")
    story.cancel("no longer needed")

    planned = plan(gathered(story, running=(("a", 2),)), at(seconds=70))

    assert planned.stops == (Stop(fence=("a", 2), reason="no longer needed"),)
    assert planned.refused == ()


def test_a_cancel_without_a_reason_has_one_all_the_same() -> None:
    """
    A handler is told something.
    """
    story = started("a")
    story.cancel("")

    assert plan(gathered(story, running=(("a", 2),)), at(seconds=70)).stops == (
        Stop(fence=("a", 2), reason="cancelled"),
    )


def test_an_attempt_that_was_taken_is_stopped_and_forgotten() -> None:
    """
    Its result will be refused, so its worker need not watch its deadline.
    """
    story = started("a")
    story.abandon()

    planned = plan(gathered(story, running=(("a", 2),)), at(seconds=70))

    assert planned.refused == (("a", 2),)
    assert [stop.reason for stop in planned.stops] == ["the attempt was taken from this worker"]


def test_an_attempt_that_is_timed_out_in_this_pass_is_not_forgotten_before_it_is_written() -> None:
    """
    The append may fail, and then it is still this worker's.
    """
    story = started("a")
    overdue = Overdue(fence=fence_of(story), ran=Microseconds(301 * SECOND))

    planned = plan(gathered(story, overdue=(overdue,), running=(("a", 2),)), at(seconds=361))

    assert planned.refused == ()


def test_an_occurrence_that_fell_due_while_a_run_was_open_is_skipped_with_its_outcome() -> None:
    """
    Overlap is decided when the run closes, in the unit of its outcome.
    """
    story = started("a")

    planned = plan(gathered(story, finished=(finished(story),)), at(seconds=150))

    assert kinds(planned) == [[TaskExecuted, TaskRunSkipped]]
