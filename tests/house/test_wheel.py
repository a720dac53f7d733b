"""
What a user installs: the wheel, by way of the source archive, in an environment of its own.
"""

import subprocess
import sys
import venv
import zipfile
from pathlib import Path
from typing import Final

import pytest

from tests.house.sources import FOLDERS, ROOT

pytestmark = pytest.mark.uncovered

PACKAGES: Final = sorted(
    init.parent for folder in FOLDERS for init in folder.glob("azoth*/__init__.py")
)

OPEN_EACH_SCHEME: Final = """
from azoth import ANY, NewEvent, Write, open_store

for url in ("memory://", "sqlite:///wheel.db"):
    with open_store(url) as store:
        store.append(Write("s-1", (NewEvent("Tried", b"{}"),), expected=ANY))
        print(url, store.read().head)
"""

OPEN_WITHOUT_ITS_EXTRA: Final = """
from azoth import StoreNotInstalled, open_store

try:
    open_store("lmdb:///wheel")
except StoreNotInstalled as error:
    print(error)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """
    Build the source archive and, from nothing else, the wheel.
    """
    built = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", str(built), str(ROOT))
    return next(built.glob("*.whl"))


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """
    Install the wheel with its command lines into an empty environment, and return its `bin`.
    """
    home = tmp_path_factory.mktemp("environment")
    venv.create(home, with_pip=False)
    pip = (sys.executable, "-m", "pip", "--quiet", "--python", str(home / "bin" / "python"))
    run(*pip, "install", "--no-compile", f"{wheel}[cli]")
    return home / "bin"


def test_the_wheel_carries_the_packages_whole_and_nothing_else(wheel: Path) -> None:
    """
    Each package is at the top level with every file it has in the repository: code, SQL, py.typed.
    """
    with zipfile.ZipFile(wheel) as archive:
        carried = {name for name in archive.namelist() if ".dist-info/" not in name}

    assert carried == {
        str(path.relative_to(package.parent))
        for package in PACKAGES
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_every_package_is_typed() -> None:
    """
    A type checker reads the annotations of a package that has `py.typed`.
    """
    assert [package.name for package in PACKAGES if not (package / "py.typed").exists()] == []


# One test for all of it, since the environment is what takes time.
def test_an_installed_azoth_works(environment: Path, tmp_path: Path) -> None:
    """
    The commands explain themselves, each scheme opens, a missing extra is named with its command.
    """
    python = str(environment / "python")

    for command in ("azoth", "azoth-scheduler"):
        assert "Usage" in run(str(environment / command), "--help", cwd=tmp_path)
    opened = run(python, "-c", OPEN_EACH_SCHEME, cwd=tmp_path)
    refused = run(python, "-c", OPEN_WITHOUT_ITS_EXTRA, cwd=tmp_path)

    assert opened.split() == ["memory://", "1", "sqlite:///wheel.db", "1"]
    assert "azoth-scheduler[lmdb]" in refused


def run(*command: str, cwd: Path | None = None) -> str:
    """
    Run a command to its end and return what it printed; what it complained of is the failure.
    """
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
