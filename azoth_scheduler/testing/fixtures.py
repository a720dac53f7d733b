"""
A pytest fixture for simulations of your schedules: each test has a seed, and a failure names it.

Put `pytest_plugins = ["azoth_scheduler.testing.fixtures"]` into the `conftest.py` at the root of
your tests, and let a test take `simulate`:

    def test_the_report_is_made_each_day(simulate):
        simulated = simulate([report])
        simulated.schedule_task(ScheduleTaskRequest("daily", "report", Cron("0 0 9 * * *")))
        simulated.advance(days=31)
        simulated.assert_ran("daily", times=31)

Every invariant is checked when the test has ended, as a part of it. The seed is made of the test's
name, so it is the same in each run; `--azoth-seed N` gives all tests another one.
"""

import shlex
from collections.abc import Generator, Iterable, Iterator
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any, Final, Protocol

import pytest

from azoth_scheduler.handlers import TaskHandler
from azoth_scheduler.simulation import SimulatedScheduler

__all__ = ["Simulate", "pytest_addoption", "pytest_pyfunc_call", "seed_of", "simulate"]

_SEED_BYTES: Final = 4
_SHOWN_LINES: Final = 12
_LINE_MAX: Final = 160
_made: Final = pytest.StashKey[list[SimulatedScheduler]]()


class Simulate(Protocol):
    """
    Make simulations, as the fixture `simulate` does.
    """

    def __call__(
        self,
        handlers: Iterable[TaskHandler],
        *,
        start: datetime = datetime(2026, 1, 1, tzinfo=UTC),
        seed: int | None = None,
        **options: Any,  # noqa: ANN401 - each is checked by the class it goes to
    ) -> SimulatedScheduler:
        """
        Return a simulation, which is checked and closed when the test has ended.

        Args:
            handlers: Yours, as they are.
            start: When it begins.
            seed: The test's own unless given.
            **options: As `SimulatedScheduler` takes them.
        """
        ...


def seed_of(node_id: str) -> int:
    """
    Return the seed of a test: the same in each run and on each machine, another for each test.

    >>> seed_of("tests/test_reports.py::test_the_report_is_made_each_day")
    4138385025
    """
    return int.from_bytes(blake2b(node_id.encode(), digest_size=_SEED_BYTES).digest())


def pytest_addoption(parser: pytest.Parser) -> None:
    """
    Let `--azoth-seed N` choose the seed of every simulation.
    """
    group = parser.getgroup("azoth")
    group.addoption(
        "--azoth-seed",
        type=int,
        metavar="N",
        help="the seed of every simulation; unless given, each test has one of its own",
    )


@pytest.fixture
def simulate(request: pytest.FixtureRequest) -> Iterator[Simulate]:
    """
    Make simulations that are checked when the test has ended, and then closed.
    """
    chosen: int | None = request.config.getoption("--azoth-seed")
    fixed = seed_of(request.node.nodeid) if chosen is None else chosen
    made: list[SimulatedScheduler] = []
    request.node.stash[_made] = made

    def make(
        handlers: Iterable[TaskHandler],
        *,
        seed: int | None = None,
        **options: Any,  # noqa: ANN401 - as above
    ) -> SimulatedScheduler:
        simulated = SimulatedScheduler(handlers, seed=fixed if seed is None else seed, **options)
        made.append(simulated)
        return simulated

    yield make
    for simulated in made:
        simulated.close()


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """
    Check what must hold behind the last line of a test; tell of its simulations where it fails.
    """
    __tracebackhide__ = True
    try:
        result = yield
        for simulated in pyfuncitem.stash.get(_made, ()):
            if not simulated.closed:
                simulated.check()
    except Exception:
        for simulated in pyfuncitem.stash.get(_made, ()):
            pyfuncitem.add_report_section("call", "simulation", _told(simulated, pyfuncitem.nodeid))
        raise
    return result


def _told(simulated: SimulatedScheduler, node_id: str) -> str:
    lines = simulated.trace.splitlines()[-_SHOWN_LINES:]
    shown = [line if len(line) <= _LINE_MAX else f"{line[:_LINE_MAX]}…" for line in lines]
    again = f"pytest {shlex.quote(node_id)} --azoth-seed {simulated.seed}"
    return "\n".join([repr(simulated), *shown, f"Repeat it: {again}"])
