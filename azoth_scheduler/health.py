"""
How a scheduler is doing.
"""

from datetime import timedelta

from attrs import frozen

__all__ = ["Health"]


@frozen(kw_only=True)
class Health:
    """
    Say how a scheduler is doing.

    Attributes:
        head: The head of the log.
        position: Where its schedule table stands.
        running: Attempts that run.
        stuck: Attempts that are timed out and have not come back; each takes a slot.
        late_results: Results that came after their outcome was recorded, and were dropped.
        unreadable: Events of the scheduler that could not be decoded; their tasks go on without.
        unserved: Tasks that would run, of types that this scheduler has no handler for.
        clock_behind: How far the clock is behind the last recorded time, where it is more than a
            minute: nothing that lies ahead runs before it has come there.
    """

    head: int
    position: int
    running: int
    stuck: int
    late_results: int
    unreadable: int
    unserved: int
    clock_behind: timedelta
