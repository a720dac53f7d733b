"""
The verification of any store: by its own check, or by reading it.
"""

from collections.abc import Sequence

from azoth.errors import StoreCorrupt
from azoth.following import PAGE_SIZE
from azoth.store import EventStore, Problem, Progress, VerifiableStore

__all__ = ["problems_of"]


def problems_of(log: EventStore, head: int, progress: Progress) -> Sequence[Problem]:
    """
    Return what is damaged up to *head*.
    """
    # A store's own check sees what reading does not, and all that reading sees.
    if isinstance(log, VerifiableStore):
        return log.verify(progress)
    return _unreadable(log, head, progress)


def _unreadable(log: EventStore, head: int, progress: Progress) -> Sequence[Problem]:
    problems: list[Problem] = []
    after = 0
    while after < head:
        try:
            after = log.read(after=after, until=head, limit=PAGE_SIZE).next_after
        except StoreCorrupt as error:
            problems.append(Problem(position=error.position, reason=error.reason))
            if error.position is None or error.position <= after:
                break
            after = error.position
        progress("events", after, head)
    return problems
