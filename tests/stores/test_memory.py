"""
The memory store keeps the contract, as far as a store without a place can.
"""

from azoth.store import EventStore
from azoth.testing.conformance import StoreConformance
from azoth.urls import open_store


class TestMemoryStore(StoreConformance):
    """
    Run the whole suite.
    """

    capabilities = frozenset({"checkpoints", "leases", "restore"})

    def make(self) -> EventStore:
        return open_store("memory://", clock=self.clock)
