"""
Projections and deciders by name.
"""

import pickle

import pytest

import azoth
from azoth.projections import Projection
from azoth.replay import UnknownPlugin, deciders, projections, replay
from azoth.replay.plugins import PROJECTIONS, Plugins


def test_a_name_that_nobody_registers_is_told_with_those_that_are() -> None:
    """
    So a slip of the pen needs no second look; a mapping's own `get` works too.
    """
    found = projections()

    with pytest.raises(UnknownPlugin, match=r"azoth\.projections has no 'shedule'") as raised:
        found["shedule"]

    assert raised.value.known == tuple(found)
    assert str(pickle.loads(pickle.dumps(raised.value))) == str(raised.value)
    assert found.get("shedule") is None
    assert len(found) == len(list(found))
    assert repr(found) == f"Plugins({PROJECTIONS!r})"


def test_a_group_that_nobody_serves_says_so() -> None:
    """
    An empty list of names would read like a mistake of ours.
    """
    with pytest.raises(UnknownPlugin, match="the names known are none"):
        Plugins[object]("azoth.nothing")["one"]


def test_the_scheduler_is_found_without_being_known() -> None:
    """
    The core imports nothing of it.
    """
    assert isinstance(projections()["schedule"](), Projection)
    assert deciders()["task"].stream_of("daily") == "$task-daily"


def test_the_name_of_the_package_is_the_function() -> None:
    """
    `from azoth import replay` is a promise that a package of that name must not break.
    """
    assert azoth.replay is replay
