"""
What the fault tests share: the server that forks children, and folders in memory.
"""

from collections.abc import Generator
from pathlib import Path

import pytest

from tests.stores.faults.campaigns import Stage
from tests.stores.faults.nursery import Nursery
from tests.stores.faults.places import folder_in_memory
from tests.stores.faults.subjects import DURABILITIES, SUBJECTS, Durability, Subject, subject

SEED = 1


@pytest.fixture(scope="session", name="nursery")
def _nursery() -> Generator[Nursery, None, None]:
    """
    Start the server once for each process of the test run.
    """
    for each in SUBJECTS:
        each.hurry()
    with Nursery() as nursery:
        yield nursery


@pytest.fixture(name="folder")
def _folder() -> Generator[Path, None, None]:
    with folder_in_memory() as folder:
        yield folder


@pytest.fixture(name="subject", params=[each.name for each in SUBJECTS])
def _subject(request: pytest.FixtureRequest) -> Subject:
    """
    Give each store that faults are tried on.
    """
    return subject(request.param)


@pytest.fixture(name="durability", params=DURABILITIES)
def _durability(request: pytest.FixtureRequest) -> Durability:
    """
    Give each level of durability.
    """
    return "full" if request.param == "full" else "normal"


@pytest.fixture(name="stage")
def _stage(nursery: Nursery, subject: Subject, durability: Durability, folder: Path) -> Stage:
    """
    Set the stage for a few faults; the soak has many.
    """
    return Stage(
        nursery=nursery,
        subject=subject,
        durability=durability,
        folder=folder,
        seed=SEED,
        times=8,
    )
