"""
The page about the stores names tests, and each of them is there.
"""

import re
from typing import Final

import pytest

from tests.house.sources import ROOT

pytestmark = pytest.mark.uncovered

PAGE: Final = ROOT / "docs" / "STORES.md"
LINK: Final = re.compile(r"\[([^\]]+)\]\(([^)#]+)\)")


def test_each_promise_names_a_test_that_is_there() -> None:
    """
    A link that is called like a test leads to the file that holds it.
    """
    links = [(name, PAGE.parent / path) for name, path in LINK.findall(PAGE.read_text())]

    assert [str(path) for _, path in links if not path.is_file()] == []
    tests = [(name, path) for name, path in links if name.startswith("test_") and "." not in name]
    assert len(tests) > 50
    assert [name for name, path in tests if f"def {name}(" not in path.read_text()] == []


def test_each_row_of_a_table_names_a_test() -> None:
    """
    A promise without a test is only a hope.
    """
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    heads = {"promise", "", "what happens"}

    bare = [row for row in rows if row.split("|")[1].strip() not in heads and "test_" not in row]

    assert bare == []


def test_the_readme_leads_to_the_page() -> None:
    """
    Nobody looks into a folder of documents first.
    """
    assert "(docs/STORES.md)" in (ROOT / "README.md").read_text()
