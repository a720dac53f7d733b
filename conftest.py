"""
What every test and every doctest of the repository shares.

`AZOTH_PROFILE` chooses how hard Hypothesis looks: `dev` (the default), `ci`, `soak`.
"""

import os
import sys
from collections.abc import Iterator
from inspect import signature
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# A deadline measures the machine's load, not the code.
settings.register_profile("dev", max_examples=50, deadline=None)
# The same examples in each run: a change that is unrelated does not turn red by chance.
settings.register_profile(
    "ci",
    max_examples=50,
    deadline=None,
    derandomize=True,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "soak",
    max_examples=2_000,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile(os.environ.get("AZOTH_PROFILE", "ci" if os.environ.get("CI") else "dev"))


@pytest.fixture(autouse=True, scope="module")
def _nothing_is_measured_that_others_reach(request: pytest.FixtureRequest) -> Iterator[None]:
    """
    Keep coverage out of modules that are marked `uncovered`, and out of their children.

    Measuring doubles what Python costs. The mark stands on modules that repeat much of what others
    reach: races and kills, oracles, and whatever looks at source text. It is paused for a module,
    since to pause it takes longer than most tests.
    """
    plugin = request.config.pluginmanager.getplugin("_cov")
    controller = getattr(plugin, "cov_controller", None)
    if controller is None or request.node.get_closest_marker("uncovered") is None:
        yield
        return
    controller.pause()
    with pytest.MonkeyPatch.context() as environment:
        environment.delenv("COVERAGE_PROCESS_CONFIG", raising=False)
        yield
    controller.resume()


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """
    Call tests of modules that are marked `uncovered` where nothing is traced any more.

    In Python 3.11 whoever was called under a trace function goes on slowly once there is none, and
    so does all that he calls by C: it takes a call from a frame that has seen the end of it.
    """
    if pyfuncitem.get_closest_marker("uncovered") is None or sys.gettrace() is not None:
        return None
    sys.settrace(None)
    arguments = pyfuncitem.funcargs
    names = signature(pyfuncitem.obj).parameters
    pyfuncitem.obj(**{name: arguments[name] for name in names})
    return True


@pytest.fixture(autouse=True)
def _documentation_runs_in_an_empty_folder(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Let an example write `data/azoth.db` without leaving it in the repository.
    """
    if isinstance(request.node, pytest.DoctestItem):
        (tmp_path / "data").mkdir()
        monkeypatch.chdir(tmp_path)
