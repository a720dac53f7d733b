"""
The SQLite store keeps the contract.
"""

from azoth.testing.conformance import CAPABILITIES, StoreConformance


class TestSqliteStore(StoreConformance):
    """
    Run the whole suite.
    """

    capabilities = CAPABILITIES

    def url(self) -> str:
        return f"sqlite:///{self.folder}/log.db"
