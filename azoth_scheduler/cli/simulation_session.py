"""
What the command `simulate` does: one scenario told in full, or many that are summed up.
"""

import shlex
from collections.abc import Iterator
from functools import partial
from itertools import count, islice, takewhile
from pathlib import Path
from secrets import randbelow
from typing import Final

import click
from attrs import evolve, frozen

from azoth import Microseconds, SystemClock
from azoth.cli.progress import progress_shown
from azoth.clocks import microseconds_of
from azoth.store import Progress
from azoth_scheduler.cli.simulation_players import played_by
from azoth_scheduler.cli.simulation_report import Failure, Objects, Report, Words
from azoth_scheduler.simulation import Played, Scenario, examine, read_scenario, scenario_of
from azoth_scheduler.simulation.scenarios.examining import StoreName
from azoth_scheduler.simulation.scenarios.reproducing import Kept, keep, seed_text
from azoth_scheduler.simulation.scenarios.shrinking import shrunk
from azoth_scheduler.simulation.scenarios.tallying import Tally

__all__ = ["Asked", "Session"]

_SEEDS: Final = 1_000_000_000
"""Of these one is drawn where none is given: it is short enough to be typed again."""

_EXACTLY: Final = ".15g"
"""Formats seconds with each microsecond: what repeats a scenario is no rounded one."""

_FAILURES_MAX: Final = 20
"""More failures tell nothing new."""


@frozen(kw_only=True)
class Asked:
    """
    Hold what the command was given.

    Attributes:
        seed: The first one.
        runs: How many scenarios.
        seconds: How long to go on.
        jobs: How many processes play.
        span: Seconds that the faults of each scenario last.
        plan: A file with a scenario.
        store: Where the logs are kept.
        out: Where to keep what is left of a failure.
        trace: Whether to tell all that happens.
        sometimes: Whether each rare state has to be reached.
    """

    seed: int | None
    runs: int | None
    seconds: float | None
    jobs: int
    span: float | None
    plan: Path | None
    store: StoreName
    out: Path
    trace: bool
    sometimes: bool

    def __attrs_post_init__(self) -> None:
        given = (self.seed, self.runs, self.seconds, self.span)
        if self.plan is not None and given != (None, None, None, None):
            raise click.UsageError("--plan plays a scenario: no --seed, --runs, --for, --until")
        if self.trace and not self.is_single:
            raise click.UsageError("--trace tells of one scenario: no --runs, no --for")

    @property
    def first(self) -> int:
        """
        Return the first seed, once there is one.
        """
        assert self.seed is not None, "one is drawn where none is given"
        return self.seed

    @property
    def is_single(self) -> bool:
        """
        Say whether it is about one scenario.
        """
        return self.seconds is None and self.runs in {None, 1}

    def scenario(self, seed: int) -> Scenario:
        """
        Return what a seed writes, as long as was asked for.
        """
        return scenario_of(seed, None if self.span is None else microseconds_of(self.span))

    def command(self, scenario: Scenario) -> str:
        """
        Return what repeats a scenario.
        """
        words = ["azoth-scheduler", "simulate"]
        if self.plan is None:
            words += ["--seed", seed_text(scenario.seed)]
        else:
            words += ["--plan", str(self.plan)]
        if self.span is not None:
            words += ["--until", f"{self.span:{_EXACTLY}}s"]
        if self.store != "memory":
            words += ["--store", self.store]
        return shlex.join(words)

    def __str__(self) -> str:
        how_long = f"for {self.seconds:g} s" if self.runs is None else f"{self.runs:,} of them"
        return (
            f"seeds from {seed_text(self.first)} on, {how_long}; logs in {self.store}, "
            f"processes: {self.jobs}"
        )


class Session:
    """
    Play what was asked for.

    Args:
        asked: What the command was given.
        as_lines: Whether a machine reads along.

    Attributes:
        tally: The sum of what was played.
    """

    def __init__(self, asked: Asked, *, as_lines: bool) -> None:
        self.tally = Tally()
        drawn = asked.seed is None and asked.plan is None
        self._asked = evolve(asked, seed=randbelow(_SEEDS)) if drawn else asked
        self._quiet = as_lines
        self._report: Report = Objects() if as_lines else Words()
        self._clock = SystemClock()
        self._began = self._clock.monotonic()
        self._kept: set[str] = set()

    @property
    def holds(self) -> bool:
        """
        Say whether everything held, and every rare state was reached that had to be.
        """
        return not self.tally.failures and not (self._asked.sometimes and self.tally.never)

    def play(self) -> None:
        """
        Play it, and tell of it.
        """
        if self._asked.is_single:
            self._play_one()
        else:
            self._play_many()

    def conclude(self) -> None:
        """
        Tell what was played so far.
        """
        self._report.conclude(self.tally, self._spent())

    def _play_one(self) -> None:
        asked = self._asked
        scenario = asked.scenario(asked.first) if asked.plan is None else _read(asked.plan)
        self._report.begin(str(scenario))
        played = examine(scenario, store=asked.store, keeps_trace=asked.trace)
        self._report.tell(played)
        self._take(played)

    def _play_many(self) -> None:
        asked = self._asked
        self._report.begin(str(asked))
        with progress_shown(quiet=self._quiet, doing="playing") as progress:
            for played in played_by(asked.jobs, self._scenarios(), asked.store):
                self._take(played)
                self._tell_progress(progress)
                if self.tally.failures >= _FAILURES_MAX:
                    return

    def _scenarios(self) -> Iterator[Scenario]:
        seeds = islice(count(self._asked.first), self._asked.runs)
        return map(self._asked.scenario, takewhile(lambda _: not self._is_over(), seeds))

    def _is_over(self) -> bool:
        seconds = self._asked.seconds
        return seconds is not None and self._spent() >= microseconds_of(seconds)

    def _spent(self) -> Microseconds:
        return Microseconds(self._clock.monotonic() - self._began)

    def _tell_progress(self, progress: Progress) -> None:
        if self._asked.seconds is None:
            progress("scenarios", self.tally.scenarios, self._asked.runs)
        else:
            progress("seconds", self._spent() // 1_000_000, round(self._asked.seconds))

    def _take(self, played: Played) -> None:
        self.tally.add(played)
        if not played.breaches:
            return
        breach, remark, kept = played.breaches[0], "", None
        if breach.invariant in self._kept:
            remark = "nothing: this invariant has its files"
        else:
            self._kept.add(breach.invariant)
            remark, kept = self._keep(played)
        self._report.fail(
            Failure(
                breach=breach,
                seed=f"{played.scenario.seed}@{played.scenario.version}",
                command=self._asked.command(played.scenario),
                kept=kept,
                remark=remark,
            )
        )

    def _keep(self, played: Played) -> tuple[str, Kept | None]:
        player = partial(examine, store=self._asked.store)
        small = shrunk(played, player=player)
        told = examine(small.scenario, store=self._asked.store, keeps_trace=True)
        try:
            kept = keep(told, self._asked.out, store=self._asked.store)
        except OSError as error:
            return f"nothing: {error}", None
        return f"{_size(small)}, of {_size(played)}", kept


def _read(plan: Path) -> Scenario:
    try:
        return read_scenario(plan)
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def _size(played: Played) -> str:
    return f"{len(played.scenario.acts)} acts and {len(played.struck)} faults"
