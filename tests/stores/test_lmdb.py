"""
The LMDB store keeps the contract.
"""

from azoth.testing.conformance import CAPABILITIES, StoreConformance


class TestLmdbStore(StoreConformance):
    """
    Run the whole suite.
    """

    capabilities = CAPABILITIES

    def url(self) -> str:
        return f"lmdb:///{self.folder}/log.lmdb"
