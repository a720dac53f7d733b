"""
The page about the simulation: what it lists is what there is.
"""

import re
from pathlib import Path
from typing import Final

from azoth_scheduler.simulation.scenarios.sometimes import SOMETIMES
from azoth_scheduler.simulation.world.faults import FAULTS

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "docs" / "SIMULATION.md"
RANGES: Final = {"S": 7, "R": 7, "C": 15, "L": 4}


def test_each_fault_is_in_the_table_with_what_happens() -> None:
    """
    The page and the code say the same of each fault, and of no other.
    """
    rows = re.findall(r"^\| `([a-z]+\.[a-z_]+)` \| (.+) \|$", PAGE.read_text(), re.MULTILINE)

    assert dict(rows) == FAULTS


def test_each_rare_state_is_listed() -> None:
    """
    The list is that of the code.
    """
    listed = re.findall(r"^- (.+)$", PAGE.read_text(), re.MULTILINE)

    assert tuple(listed) == SOMETIMES


def test_each_invariant_has_a_row() -> None:
    """
    S1 to S7, R1 to R7, C1 to C15 and L1 to L4: each says by what it is checked.
    """
    rows = "\n".join(line for line in PAGE.read_text().splitlines() if line.startswith("| "))
    named = set(re.findall(r"\b[SRCL]\d+\b", rows))
    for first, last in re.findall(r"\bC(\d+) to C(\d+)", rows):
        named |= {f"C{number}" for number in range(int(first), int(last) + 1)}

    assert named == {f"{kind}{n}" for kind, count in RANGES.items() for n in range(1, count + 1)}


def test_each_link_leads_somewhere() -> None:
    """
    What is named is there.
    """
    links = re.findall(r"\]\(\.\./([^)]+)\)", PAGE.read_text())

    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_readme_leads_to_the_page() -> None:
    """
    Nobody looks for a page that is named nowhere.
    """
    assert "(docs/SIMULATION.md)" in (ROOT / "README.md").read_text()
