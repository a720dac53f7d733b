"""
Scenarios from seeds: a seed draws who is there, what may go wrong, and what is done.

Spans and intervals are drawn together, so that a run is short enough to have hundreds of them in a
second, and every task fires some ten times in it.
"""

from typing import Any, Final, TypeAlias, get_args

from attrs import evolve

from azoth.clocks import Instant, Microseconds, datetime_of
from azoth_scheduler.events import CatchUp, Options, Overlap
from azoth_scheduler.retries import RetryPolicy
from azoth_scheduler.schedules import Cron, Immediate, Interval, OneTime, Schedule, is_recurring
from azoth_scheduler.simulation.scenarios.acts import Act, Deed
from azoth_scheduler.simulation.scenarios.scenario import START, VERSION, Scenario, Seats
from azoth_scheduler.simulation.world.chance import Dice
from azoth_scheduler.simulation.world.faults import FAULTS
from azoth_scheduler.task import Definition

__all__ = ["scenario_of"]

_SECOND: Final = 1_000_000
_MINUTE: Final = 60 * _SECOND

_Weights: TypeAlias = tuple[tuple[Deed, int], ...]

_COMMANDS: Final[_Weights] = (
    ("schedule", 6),
    ("cancel", 2),
    ("pause", 2),
    ("resume", 3),
    ("trigger", 3),
    ("cancel_run", 1),
)

_TROUBLES: Final[_Weights] = (
    ("crash", 4),
    ("freeze", 3),
    ("step_clock", 3),
    ("freeze_clock", 1),
    ("enter", 1),
    ("rebuild", 1),
    ("write_foreign", 1),
)
"""Of a run with faults; what they break is mended after a while, save where another one comes."""

_FAULT_CHANCES: Final = (5, 20, 60)
"""In thousandths, at each visit of a seam."""


def scenario_of(seed: int, span: Microseconds | None = None) -> Scenario:
    """
    Return the scenario that *seed* writes.

    Args:
        seed: Any number from 0.
        span: How long it lasts before the faults end; drawn where nothing is said.
    """
    dice = Dice(seed, "scenario")
    lasts = Microseconds(dice.between(1, 8) * 5 * _MINUTE) if span is None else span
    # One run in eight has fair weather: there nobody waits longer than is just.
    fair = dice.strikes(125)
    return Scenario(
        version=VERSION,
        seed=seed,
        span=lasts,
        seats=_seats(dice, fair),
        failing=dice.choice((0, 100, 400)),
        faults={} if fair else _faults(dice),
        acts=_acts(seed, dice, lasts, fair),
    )


def _seats(dice: Dice, fair: bool) -> Seats:  # noqa: FBT001 - it is drawn
    count = dice.weighted(((1, 4), (2, 5), (3, 1)))
    return Seats(
        schedulers=count,
        slots=1 if fair else dice.between(1, 3),
        poll_seconds=dice.choice((5, 10)),
        lease_seconds=dice.choice((15, 30)),
        timeout_seconds=dice.choice((20, 60)),
        max_lost=dice.choice((1, 3, 100)),
        restart_seconds=dice.choice((1, 20, 100, 600)),
        drifts=tuple(0 if fair else dice.choice((0, 0, 200, -200, 20_000)) for _ in range(count)),
        tables=tuple(dice.strikes(20) for _ in range(count)),
        both_types=tuple(fair or index == 0 or dice.strikes(700) for index in range(count)),
        one_machine=dice.strikes(300),
    )


def _faults(dice: Dice) -> dict[str, int]:
    # Each kind is in one run of three.
    return {name: dice.choice(_FAULT_CHANCES) for name in FAULTS if dice.strikes(300)}


def _acts(
    seed: int,
    dice: Dice,
    span: Microseconds,
    fair: bool,  # noqa: FBT001 - as above
) -> tuple[Act, ...]:
    # In fair weather many want one slot, for it is there that turns are looked at.
    tasks = "abcd" if fair else "abc"[: dice.between(1, 3)]
    acts = [
        Act(
            after=Microseconds(dice.below(_MINUTE)),
            scheduler=dice.below(3),
            deed="schedule",
            task_id=task,
            definition=_definition(dice, span),
        )
        for task in tasks
    ]
    for _ in range(dice.between(0, 5)):
        acts += _command(dice, span, tasks)
    acts += _aimed(Dice(seed, "aimed"), span, tasks)
    if not fair and not dice.strikes(250):
        for _ in range(dice.between(1, 3)):
            acts += _trouble(dice, span)
    return tuple(sorted(acts, key=lambda act: act.after))


def _command(dice: Dice, span: Microseconds, tasks: str) -> list[Act]:
    deed = dice.weighted(_COMMANDS)
    done = Act(
        after=Microseconds(dice.below(span)),
        scheduler=dice.below(3),
        deed=deed,
        task_id=dice.choice(tasks),
        definition=_definition(dice, span) if deed == "schedule" else None,
        overlap=dice.choice((None, *get_args(Overlap))) if deed == "trigger" else None,
    )
    if deed != "pause":
        return [done]
    # Who pauses a task means to resume it, while something of it waits.
    later = Microseconds(done.after + dice.choice((10, 50, 200)) * _SECOND)
    return [done, evolve(done, after=later, scheduler=dice.below(3), deed="resume")]


def _aimed(dice: Dice, span: Microseconds, tasks: str) -> list[Act]:
    # By chance alone a command hardly ever meets a run, so some come just after one was asked for.
    if not dice.strikes(400):
        return []
    meets, *later = _command(dice, span, tasks)
    asks = evolve(meets, deed="trigger", definition=None, overlap=dice.choice((None, "allow")))
    return [asks, evolve(meets, after=Microseconds(meets.after + _SECOND // 2)), *later]


def _trouble(dice: Dice, span: Microseconds) -> list[Act]:
    deed, scheduler = dice.weighted(_TROUBLES), dice.below(3)
    after = dice.below(span)
    begins = Act(
        after=Microseconds(after),
        scheduler=scheduler,
        deed=deed,
        task_id="a" if deed == "write_foreign" else "",
        by=Microseconds(_SECOND * dice.choice((-3_600, -60, -1, 1, 60)))
        if deed == "step_clock"
        else Microseconds(0),
    )
    ends: dict[Deed, Deed] = {"crash": "start", "freeze": "thaw", "freeze_clock": "thaw_clock"}
    if deed not in ends:
        return [begins]
    until = after + dice.choice((1, 10, 50, 200, 600)) * _SECOND
    return [begins, Act(after=Microseconds(until), scheduler=scheduler, deed=ends[deed])]


def _definition(dice: Dice, span: Microseconds) -> Definition:
    schedule = _schedule(dice, span)
    options = _times(dice, span) if is_recurring(schedule) else {}
    return Definition(
        task_type=dice.weighted((("work", 4), ("extra", 1))),
        schedule=schedule,
        payload=dice.choice((b"", b"1")),
        options=Options(
            priority=dice.choice((0, 0, 1)),
            timeout=dice.choice((None, None, Microseconds(15 * _SECOND))),
            **_retries(dice),
            **options,
        ),
    )


def _schedule(dice: Dice, span: Microseconds) -> Schedule:
    # A task fires some ten times, however long the run lasts.
    every = max(10, span // _SECOND // dice.choice((3, 6, 12)))
    match dice.below(8):
        case 0:
            return Immediate()
        case 1:
            return OneTime(datetime_of(Instant(START + dice.below(span))))
        case 2:
            return Cron(dice.choice(("*/30 * * * * *", "0 */5 * * * *", "0 7-59/10 * * * *")))
        case 3:
            return Interval(every, mode="fixed_delay")
        case _:
            return Interval(every)


def _retries(dice: Dice) -> dict[str, Any]:
    base = dice.choice((0, 5, 40))
    again = RetryPolicy(3, base=base, jitter=dice.choice((0, 7)), on_exhausted="continue")
    options: list[dict[str, Any]] = [{}, {"max_retries": 1}, {"retry": again}]
    return dice.choice(options)


def _times(dice: Dice, span: Microseconds) -> dict[str, Any]:
    seconds = [Microseconds(count * _SECOND) for count in (0, 3, 90)]
    start = Instant(START + 100 * _SECOND)
    return {
        "overlap": dice.choice(("skip", *get_args(Overlap))),
        "buffer_limit": dice.choice((1, 3)),
        "catch_up": dice.choice(("latest", *get_args(CatchUp))),
        "catch_up_limit": dice.choice((1, 4)),
        "jitter": dice.choice((seconds[0], *seconds)),
        "max_runs": dice.choice((None, None, None, 2)),
        "expires_after": dice.choice((None, None, None, Microseconds(45 * _SECOND))),
        "start": dice.choice((None, None, None, start)),
        "end": dice.choice((None, None, None, Instant(START + span // 2))),
    }
