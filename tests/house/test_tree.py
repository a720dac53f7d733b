"""
What is committed: sources, and nothing that a tool or a machine left behind.
"""

import re
import subprocess
import tomllib
from typing import Final

import pytest

from tests.house.sources import ROOT

pytestmark = pytest.mark.uncovered

LEFT_BEHIND: Final = re.compile(
    r"(\.lock|-lock\.json|\.py[cod]|\.db(-wal|-shm)?|\.egg-info|\.log|\.orig|\.rej)$"
    r"|(^|/)(__pycache__|\.venv|build|dist|data|node_modules)/"
)
# In two parts, so that this file does not find itself.
UNFINISHED: Final = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b|^(<{7}|>{7}) ", re.MULTILINE)


@pytest.fixture(scope="module")
def tracked() -> list[str]:
    """
    Return the paths that git keeps.
    """
    git = ("git", "-c", "safe.directory=*", "ls-files", "-z")
    listed = subprocess.run(git, cwd=ROOT, capture_output=True, text=True, check=True)
    return [path for path in listed.stdout.split("\0") if path and (ROOT / path).is_file()]


def test_nothing_is_committed_that_a_tool_makes(tracked: list[str]) -> None:
    """
    No lock file (it names a package host), no database, no cache, no build.
    """
    assert [path for path in tracked if LEFT_BEHIND.search(path)] == []


def test_nothing_is_left_for_later(tracked: list[str]) -> None:
    """
    What is not done is an issue, not a comment; a merge is finished before it is committed.
    """
    texts = {path: (ROOT / path).read_bytes().decode(errors="replace") for path in tracked}

    assert [path for path, text in texts.items() if UNFINISHED.search(text)] == []


def test_stores_is_a_folder_and_no_package() -> None:
    """
    A package named `stores` would collide with a user's own folder of that name.
    """
    assert not (ROOT / "stores" / "__init__.py").exists()


def test_every_package_is_built_measured_and_layered() -> None:
    """
    A new store is added to the wheel, to coverage and to the layers, or it is not there.
    """
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    folders = sorted(
        str(init.parent.relative_to(ROOT))
        for pattern in ("azoth*/__init__.py", "stores/*/__init__.py")
        for init in ROOT.glob(pattern)
    )
    names = [folder.removeprefix("stores/") for folder in folders]

    assert sorted(tool["hatch"]["build"]["targets"]["wheel"]["packages"]) == folders
    assert sorted(tool["coverage"]["run"]["source_pkgs"]) == sorted(names)
    assert sorted(tool["importlinter"]["root_packages"]) == sorted(names)
