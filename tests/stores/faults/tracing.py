"""
strace on a child: it makes chosen system calls fail, or writes them down.
"""

import shutil
import subprocess
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.stores.faults.nursery import Child

__all__ = ["traced"]


@contextmanager
def traced(child: Child, output: Path, *options: str) -> Generator[None, None, None]:
    """
    Trace *child* and its threads while the block runs, which must see its end.

    Args:
        child: It waits to be told to go.
        output: Where the calls are written.
        *options: Of strace: what to trace, what to inject.
    """
    command = [_strace(), "-f", "-o", str(output), *options, "-p", str(child.pid)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as strace:
        assert strace.stderr is not None
        said = strace.stderr.readline()
        if "attached" not in said:
            strace.communicate()
            raise RuntimeError(
                f"strace cannot trace a child: {said.strip()}; in a container, run it with "
                "--cap-add SYS_PTRACE"
            )
        yield
        strace.communicate()


def _strace() -> str:
    found = shutil.which("strace")
    if found is None:
        raise RuntimeError(
            "strace is missing, and without it nobody knows what a fault does; run: "
            "apt-get install strace"
        )
    return found


def injected(lines: Sequence[str]) -> bool:
    """
    Say whether one of the calls written down was made to fail.
    """
    return any("(INJECTED)" in line for line in lines)
