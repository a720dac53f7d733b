"""
The proof that a store keeps the contract of `azoth.store`, for store authors to subclass.

```python
class TestMyStore(StoreConformance):
    capabilities = frozenset({"durable", "shared"})

    def url(self) -> str:
        return f"mystore:///{self.folder}/log"
```

Each test is one guarantee, named as a sentence. What a store cannot do is missing from its
`capabilities`, and the suite asserts that it is missing indeed; nothing is ever skipped. The
factory must be registered under `azoth.stores`, so that child processes can open the store too. It
needs pytest, which `azoth-scheduler[testing]` installs.
"""

import pytest

# The tests live in these modules, and pytest explains a failed assertion only where it is told to.
pytest.register_assert_rewrite(
    *[
        f"azoth.testing.conformance.{name}"
        for name in (
            "appending",
            "capabilities",
            "keys",
            "reading",
            "sharing",
            "suite",
            "visibility",
            "waiting",
        )
    ]
)

from azoth.testing.conformance.appending import AppendContract  # noqa: E402
from azoth.testing.conformance.capabilities import CapabilityContract  # noqa: E402
from azoth.testing.conformance.keys import CheckpointContract, KeyContract  # noqa: E402
from azoth.testing.conformance.reading import ReadContract  # noqa: E402
from azoth.testing.conformance.sharing import SharingContract, TimeContract  # noqa: E402
from azoth.testing.conformance.suite import CAPABILITIES, StoreSuite  # noqa: E402
from azoth.testing.conformance.visibility import VisibilityContract  # noqa: E402
from azoth.testing.conformance.waiting import WaitContract  # noqa: E402

__all__ = ["CAPABILITIES", "StoreConformance", "StoreSuite"]


class StoreConformance(
    VisibilityContract,
    AppendContract,
    KeyContract,
    CheckpointContract,
    ReadContract,
    WaitContract,
    SharingContract,
    TimeContract,
    CapabilityContract,
):
    """
    Be subclassed by the tests of a store, which name its `url` and its `capabilities`.

    A store that needs more than a URL overrides `make`, `reopen`, `again` and `at`.
    """
