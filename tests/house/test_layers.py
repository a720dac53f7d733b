"""
The layers of `pyproject.toml`: they hold, and they would notice.
"""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.house.sources import FOLDERS, ROOT

pytestmark = pytest.mark.uncovered

CORE_PURE: Final = "The pure modules of azoth touch nothing"
SCHEDULER_PURE: Final = "The pure modules of azoth_scheduler touch nothing"
CORE_LAYERS: Final = "azoth: lower modules never import higher ones"
CRON_LAYERS: Final = "azoth_scheduler._cron: from text to instants, and never back"
PACKAGES: Final = "The scheduler and each store stand on the core, and on nothing of each other"

TRESPASSES: Final = {
    "a pure module reads the clock": (CORE_PURE, "azoth/streams.py", "import time"),
    "its neighbour does it for it": (CORE_PURE, "azoth/errors.py", "import threading"),
    "a pure module draws a number": (SCHEDULER_PURE, "azoth_scheduler/retries.py", "import random"),
    "a lower module imports a higher one": (CORE_LAYERS, "azoth/errors.py", "import azoth.store"),
    "a parser knows the calendar": (
        CRON_LAYERS,
        "azoth_scheduler/_cron/fields.py",
        "import azoth_scheduler._cron.days",
    ),
    "a new module has no place yet": (CORE_LAYERS, "azoth/misc.py", ""),
    "the core imports a store": (PACKAGES, "azoth/store.py", "import azoth_memory"),
    "the core imports the scheduler": (PACKAGES, "azoth/store.py", "import azoth_scheduler"),
    "the scheduler imports a store": (PACKAGES, "azoth_scheduler/errors.py", "import azoth_sqlite"),
    "a store imports another": (PACKAGES, "azoth_sqlite/__init__.py", "import azoth_memory"),
    "a store imports the scheduler": (
        PACKAGES,
        "azoth_sqlite/__init__.py",
        "import azoth_scheduler",
    ),
}


def test_the_layers_hold() -> None:
    """
    Lower modules never import higher ones, and the pure ones touch nothing.
    """
    checked = lint(ROOT, FOLDERS)

    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize(("contract", "file", "line"), TRESPASSES.values(), ids=list(TRESPASSES))
def test_a_trespass_is_noticed(tmp_path: Path, contract: str, file: str, line: str) -> None:
    """
    A contract that nothing can break proves nothing: one added line breaks it.
    """
    copy_packages(tmp_path)
    with (tmp_path / file).open("a") as module:
        module.write(f"\n{line}\n")

    checked = lint(tmp_path, (tmp_path,))

    assert f"{contract} BROKEN" in checked.stdout


def copy_packages(target: Path) -> None:
    """
    Lay the packages side by side, with the configuration.
    """
    shutil.copy(ROOT / "pyproject.toml", target)
    for folder in FOLDERS:
        for package in folder.glob("azoth*/"):
            if package.is_dir():
                shutil.copytree(package, target / package.name)


def lint(where: Path, folders: tuple[Path, ...]) -> subprocess.CompletedProcess[str]:
    """
    Run the layer check on the packages of *folders*, under the configuration in *where*.
    """
    program = "import sys; sys.path[:0] = sys.argv[1:]; from importlinter.cli import lint_imports; "
    return subprocess.run(
        [
            sys.executable,
            "-c",
            program + "sys.exit(lint_imports(no_cache=True))",
            *map(str, folders),
        ],
        cwd=where,
        capture_output=True,
        text=True,
        check=False,
    )
