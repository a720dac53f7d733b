"""
The head as others move it.
"""

from threading import Lock

from azoth_lmdb.environment import Environment
from azoth_lmdb.records import load_head

__all__ = ["Lookout"]


class Lookout:
    """
    Tell the head cheaply, whoever moved it.

    The number of the last commit costs a microsecond and moves with every commit of any process.

    Args:
        environment: To look at.
    """

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._lock = Lock()
        self._seen: int | None = None
        self._head = 0

    def head(self) -> int:
        """
        Return the head.

        Raises:
            StoreClosed: The environment was closed.
        """
        with self._lock:
            # A commit between the two is seen at the next look.
            if self._environment.last_commit() != self._seen:
                with self._environment.reading() as transaction:
                    self._head = load_head(transaction, transaction.number).position
                    self._seen = transaction.number
            return self._head
