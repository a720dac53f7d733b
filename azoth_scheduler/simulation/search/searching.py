"""
Breadth-first: every state once, the nearest first, so that the first breach has a shortest way.
"""

from collections.abc import Callable

from attrs import Factory, define

from azoth_scheduler.simulation.invariants import Breach
from azoth_scheduler.simulation.search.found import Counterexample, Found
from azoth_scheduler.simulation.search.scopes import Scope
from azoth_scheduler.simulation.search.world import State, World

__all__ = ["search"]


def search(
    scope: Scope,
    depth: int,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Found:
    """
    Look at every state that *depth* moves reach, and stop at the first breach.

    Args:
        scope: What is searched.
        depth: How many moves a path has at most.
        progress: Called after each depth with it and the number of its states.

    Returns:
        What was seen; the same for the same arguments.
    """
    searching = _Search(scope, World(scope))
    for level in range(1, depth + 1):
        if searching.broken is not None or not searching.edge:
            break
        searching.deepen()
        if progress is not None:
            progress(level, searching.per_depth[-1])
    return searching.found()


@define
class _Search:
    # What one call of `search` has seen: for each state the one that it was reached from, and how.
    scope: Scope
    world: World
    edge: list[State] = Factory(list[State])
    seen: dict[State, tuple[State | None, str]] = Factory(dict[State, tuple[State | None, str]])
    per_depth: list[int] = Factory(list[int])
    transitions: int = 0
    broken: tuple[State, str, State, Breach] | None = None

    def __attrs_post_init__(self) -> None:
        first = self.world.first()
        self.seen[first] = (None, "")
        self.edge, self.per_depth = [first], [1]

    def deepen(self) -> None:
        """
        Make one more move from each state of the edge.
        """
        world, seen, edge = self.world, self.seen, self.edge
        self.edge = []
        for state in edge:
            for said, after, breach in world.moves(state):
                self.transitions += 1
                if breach is None and after in seen:
                    continue
                broken = breach or world.breach(after)
                if broken is not None:
                    self.broken = (state, said, after, broken)
                    self.per_depth.append(len(self.edge))
                    return
                seen[after] = (state, said)
                self.edge.append(after)
        self.per_depth.append(len(self.edge))

    def found(self) -> Found:
        """
        Say what was seen.
        """
        return Found(
            states=len(self.seen),
            transitions=self.transitions,
            depth=len(self.per_depth) - 1,
            per_depth=tuple(self.per_depth),
            histories=len(self.world.logs),
            counterexample=self._counterexample(),
        )

    def _counterexample(self) -> Counterexample | None:
        if self.broken is None:
            return None
        state, said, after, breach = self.broken
        steps = [said]
        way: State | None = state
        while way is not None:
            way, how = self.seen[way]
            steps.append(how)
        return Counterexample(
            scope=self.scope.name,
            breach=breach,
            steps=tuple(reversed(steps[:-1])),
            logs=tuple(log.events for log in self.world.logs_of(after)),
        )
