"""
The occurrences of one task: its schedule between its bounds, each with the time it is due.

A schedule answers for itself; what a request adds to it (a start, an end, a jitter) is applied
here, once for all who ask.
"""

from typing import Final

from attrs import evolve, frozen

from azoth.clocks import Instant, Microseconds
from azoth_scheduler._draws import drawn
from azoth_scheduler.events import Options
from azoth_scheduler.schedules import (
    COUNT_EXACT_MAX,
    Interval,
    Schedule,
    count_occurrences,
    first_occurrence,
    is_fixed_delay,
    is_recurring,
    latest_occurrence,
    next_occurrence,
)
from azoth_scheduler.task import Definition, TaskState

__all__ = ["Grid", "Occurrence", "grid_for", "grid_of", "times_of", "upcoming"]

_UNBOUNDED: Final = 10**9
# Runs of a task that may run for ever: more than anybody asks for.


@frozen
class Occurrence:
    """
    Hold one nominal time of a schedule, and when it is due: the same plus its jitter.
    """

    nominal_at: Instant
    due_at: Instant


@frozen
class Grid:
    """
    Answer what a task's schedule names, between its bounds.

    Attributes:
        base: Where an interval's grid is counted from; nothing falls on it or before it.
    """

    task_id: str
    schedule: Schedule
    options: Options
    base: Instant

    def first(self, now: Instant) -> Occurrence | None:
        """
        Return the first occurrence of a task that is scheduled at *now*; None if there is none.

        It is later than *now*, unless the start is `now` itself or the schedule fires once.
        """
        if not is_recurring(self.schedule):
            found = first_occurrence(self.schedule, now)
        elif self.options.start_now:
            found = now
        elif is_fixed_delay(self.schedule):
            found = first_occurrence(self.schedule, self.base)
            if found is not None and found <= now:
                found = first_occurrence(self.schedule, now)
        else:
            found = next_occurrence(self.schedule, self.base, now)
        return self._bounded(found)

    def next(self, after: Instant) -> Occurrence | None:
        """
        Return the first occurrence strictly later than *after*; None if nothing follows.
        """
        return self._bounded(next_occurrence(self.schedule, self.base, after))

    def after_closing(self, closed_at: Instant) -> Occurrence | None:
        """
        Return what follows a run of a fixed delay that was closed; None if nothing does.
        """
        return self._bounded(first_occurrence(self.schedule, closed_at))

    def runs_left(self, begun: int) -> int:
        """
        Return how many runs the schedule may still start where it has started *begun*.
        """
        most = self.options.max_runs
        return _UNBOUNDED if most is None else max(0, most - begun)

    def reaching(self, since: Instant) -> "Grid":
        """
        Return the same grid, begun early enough to name what lies at *since*.
        """
        if not isinstance(self.schedule, Interval):
            return evolve(self, base=Instant(min(self.base, since - 1)))
        every = self.schedule.microseconds
        steps = max(0, (self.base - since) // every + 1)
        return evolve(self, base=Instant(self.base - steps * every))

    def latest(self, after: Instant, until: Instant) -> Instant | None:
        """
        Return the last nominal time later than *after*, not later than *until* or the end.
        """
        end = self.options.end
        last = until if end is None else Instant(min(until, end))
        return latest_occurrence(self.schedule, self.base, after, last)

    def ahead(self, after: Instant, now: Instant) -> Occurrence | None:
        """
        Return the first occurrence later than *after* whose due time is still to come.
        """
        return self.next(self.latest_due(after, now) or after)

    def latest_due(self, after: Instant, now: Instant) -> Instant | None:
        """
        Return the last nominal time later than *after* whose due time has come.
        """
        found = self.latest(after, now)
        if found is None or self.occurrence(found).due_at <= now:
            return found
        # Each is due before the next one's nominal time, so the one before it is.
        return self.latest(after, Instant(found - 1))

    def count(
        self, first: Instant, last: Instant, limit: int = COUNT_EXACT_MAX
    ) -> tuple[int, bool]:
        """
        Count the nominal times from *first* to *last*: the number, and whether it is exact.
        """
        end = self.options.end
        last = last if end is None else Instant(min(last, end))
        return count_occurrences(self.schedule, self.base, first, last, limit)

    def occurrence(self, nominal_at: Instant) -> Occurrence:
        """
        Return a nominal time with its due time.
        """
        span: int = self.options.jitter
        if not span:
            return Occurrence(nominal_at, nominal_at)
        following = next_occurrence(self.schedule, self.base, nominal_at)
        if following is not None:
            span = min(span, following - nominal_at)
        late = drawn(f"{self.task_id}@{nominal_at}", Microseconds(span))
        return Occurrence(nominal_at, Instant(nominal_at + late))

    def _bounded(self, nominal_at: Instant | None) -> Occurrence | None:
        end = self.options.end
        if nominal_at is None or (end is not None and nominal_at > end):
            return None
        return self.occurrence(nominal_at)


def upcoming(state: TaskState) -> Occurrence | None:
    """
    Return what a task's state says is next; None if nothing is.
    """
    if state.next_nominal_at is None or state.next_run_at is None:
        return None
    return Occurrence(state.next_nominal_at, state.next_run_at)


def times_of(occurrence: Occurrence | None) -> tuple[Instant | None, Instant | None]:
    """
    Return the nominal and the due time as events have them: None, twice, where nothing is next.
    """
    return (None, None) if occurrence is None else (occurrence.nominal_at, occurrence.due_at)


def grid_of(state: TaskState) -> Grid:
    """
    Return the grid of a task as it stands.
    """
    return grid_for(state.task_id, state.definition, state.anchor)


def grid_for(task_id: str, definition: Definition, anchor: Instant) -> Grid:
    """
    Return the grid of a definition whose anchor is its start, or the time of its scheduling.
    """
    options, schedule = definition.options, definition.schedule
    begins = options.start is not None or options.start_now
    # With a start the anchor itself is on the grid, so it is counted from one step before it.
    step = schedule.microseconds if isinstance(schedule, Interval) else 1
    base = Instant(anchor - step) if begins else anchor
    return Grid(task_id, schedule, options, base)
