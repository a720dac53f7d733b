"""
What is left of a failing run: a file that plays it again, and a test that does.
"""

from pathlib import Path
from typing import Final

from attrs import define, frozen

from azoth.typed_json import TypedJson
from azoth_scheduler.errors import SchedulerError
from azoth_scheduler.events import registry
from azoth_scheduler.simulation.scenarios.examining import StoreName
from azoth_scheduler.simulation.scenarios.playing import Played
from azoth_scheduler.simulation.scenarios.scenario import VERSION, Scenario

__all__ = [
    "Kept",
    "SeedOfAnotherVersion",
    "keep",
    "parse_seed",
    "read_scenario",
    "seed_text",
    "story_of",
]

_SHOWN_EVENTS: Final = 30

_SCENARIOS: Final = TypedJson(Scenario, converter=registry.converter)
"""By what events are written by: it knows schedules, bytes and spans of time."""


@define(kw_only=True, slots=False)
class SeedOfAnotherVersion(SchedulerError, ValueError):
    """
    Say that a seed was printed by another version, and would write another scenario here.

    Attributes:
        given: What was given.
        version: The version that printed it.
    """

    given: str
    version: int

    def __str__(self) -> str:
        return (
            f"seed {self.given} was printed by version {self.version} of the simulation, and this "
            f"is version {VERSION}, where it writes another scenario: use the version that printed "
            "it, or the file that it wrote, with --plan"
        )


def seed_text(seed: int) -> str:
    """
    Return a seed as it is printed: with the version that gives it its meaning.
    """
    return f"{seed}@{VERSION}"


def parse_seed(text: str) -> int:
    """
    Return the number of a seed, which may have its version with it.

    Raises:
        ValueError: It is no number from 0 on.
        SeedOfAnotherVersion: It has the version of another code.
    """
    number, _, version = text.partition("@")
    if not number.isdecimal() or (version and not version.isdecimal()):
        raise ValueError(f"{text!r} is no seed; give a number such as 17, or 17@{VERSION}")
    if version and int(version) != VERSION:
        raise SeedOfAnotherVersion(given=text, version=int(version))
    return int(number)


@frozen
class Kept:
    """
    Name the files of a failing run.

    Attributes:
        plan: The scenario, as JSON; `azoth-scheduler simulate --plan` plays it.
        test: A test for pytest that does.
        story: The scenario and the end of the log, to be read.
    """

    plan: Path
    test: Path
    story: Path


def keep(played: Played, folder: Path, *, store: StoreName = "memory") -> Kept:
    """
    Write down a failing run.

    Args:
        played: The run, best a small one.
        folder: Where to; it is made if it is missing.
        store: Where its log was kept.
    """
    folder.mkdir(parents=True, exist_ok=True)
    seed = played.scenario.seed
    plan = folder / f"seed-{seed}.json"
    plan.write_bytes(_SCENARIOS.encode(played.scenario) + b"\n")
    test = folder / f"test_seed_{seed}.py"
    breach = str(played.breaches[0]).replace("\\", "\\\\").replace('"', "'")
    test.write_text(
        _TEST.format(
            seed=seed,
            version=played.scenario.version,
            breach=breach,
            plan=plan.name,
            store=store,
        )
    )
    story = folder / f"seed-{seed}.txt"
    story.write_text("\n".join(story_of(played)) + "\n")
    return Kept(plan, test, story)


def story_of(played: Played) -> list[str]:
    """
    Return a failing run in words: who was there, what was done, what struck, what broke.
    """
    scenario = played.scenario
    lines = [str(scenario), "", "What is done:"]
    lines += [f"  {act}" for act in scenario.acts] or ["  nothing"]
    lines += ["", "What strikes:"]
    lines += [f"  {name}" for name in played.struck] or ["  nothing"]
    lines += ["", "What does not hold:", *(f"  {breach}" for breach in played.breaches)]
    if played.lines:
        lines += ["", "The last of what happened:"]
        lines += [f"  {line}" for line in played.lines[-_SHOWN_EVENTS:]]
    return lines


def read_scenario(path: Path) -> Scenario:
    """
    Read a scenario that was written down.

    Raises:
        ValueError: The file holds none.
    """
    try:
        return _SCENARIOS.decode(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path} holds no scenario: {error}") from error


_TEST: Final = '''\
"""
{breach}

Found by seed {seed}@{version}; the plan beside this file is what the failure needs of it.
"""

from pathlib import Path

from azoth_scheduler.simulation import examine, read_scenario


def test_seed_{seed}() -> None:
    """
    Every invariant holds, whatever goes wrong.
    """
    scenario = read_scenario(Path(__file__).with_name("{plan}"))

    played = examine(scenario, store="{store}")

    assert not played.breaches, "; ".join(map(str, played.breaches))
'''
