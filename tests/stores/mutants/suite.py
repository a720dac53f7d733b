"""
The suite on each mutant: `pytest tests/stores/mutants/suite.py::TestIgnoresKeys` must fail.
"""

from pathlib import Path
from typing import ClassVar, Final

from azoth.store import EventStore
from azoth.testing.conformance import StoreConformance
from tests.stores.mutants.registry import MUTANTS, Mutant

__all__ = ["SUITES"]


def _suite_of(mutant: Mutant) -> type[StoreConformance]:
    class MutantSuite(StoreConformance):
        capabilities: ClassVar[frozenset[str]] = mutant.capabilities
        patience_seconds = mutant.patience_seconds
        # A broken store is faster: the window closes when it has done what it must not.
        window_seconds = 2.0

        def url(self) -> str | None:
            return None if mutant.scheme is None else f"{mutant.scheme}:///{self.folder}/log.db"

        def make(self) -> EventStore:
            return mutant.make(Path(self.folder), self.clock)

    MutantSuite.__name__ = MutantSuite.__qualname__ = f"Test{mutant.name}"
    return MutantSuite


SUITES: Final = {f"Test{mutant.name}": _suite_of(mutant) for mutant in MUTANTS}

globals().update(SUITES)
