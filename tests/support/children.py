"""
Processes that tests start, kill and start again: forked from one that has imported everything.

Run as a program it is that process. It has one thread and opens nothing, so its forks are as good
as programs of their own, and are up in milliseconds.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from traceback import print_exc
from typing import Final, NoReturn, TypeAlias

from attrs import define

__all__ = ["Child", "Nursery", "nursery", "say"]

ROOT: Final = Path(__file__).parents[2]

Arguments: TypeAlias = dict[str, str | int]


def say(word: str) -> None:
    """
    Tell the test something, from within a child: one line, whole.
    """
    os.write(1, f"{os.getpid()} {word}\n".encode())


@define
class Child:
    """
    Hold a process that runs one program of a test.
    """

    pid: int
    nursery: "Nursery"

    def kill(self) -> None:
        """
        End the process as a power cut would, and wait for its end.
        """
        os.kill(self.pid, signal.SIGKILL)
        self.wait()

    def terminate(self) -> None:
        """
        Ask the process to end, and wait for its end.
        """
        os.kill(self.pid, signal.SIGTERM)
        self.wait()

    def wait(self) -> None:
        """
        Wait for the end of the process.
        """
        self.nursery.wait_for(f"{self.pid} gone")


class Nursery:
    """
    Start children; they live no longer than it does.
    """

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self._heard: list[str] = []

    def start(self, program: str, **arguments: str | int) -> Child:
        """
        Fork a child that calls `module:function`, and wait until it says that it is up.
        """
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([program, arguments]) + "\n")
        self._process.stdin.flush()
        return Child(int(self.wait_for("up").split()[0]), self)

    def wait_for(self, words: str) -> str:
        """
        Wait until a child, or the nursery, has said a line that ends in *words*.
        """
        assert self._process.stdout is not None
        while True:
            for line in self._heard:
                if line.endswith(words):
                    self._heard.remove(line)
                    return line
            line = self._process.stdout.readline()
            assert line, f"the nursery ended, nobody said {words!r}"
            assert words != "up" or "gone" not in line, "a child ended before it was up"
            self._heard.append(line.strip())


@contextmanager
def nursery(*programs: str) -> Generator[Nursery, None, None]:
    """
    Keep a nursery that has imported the modules of *programs*.
    """
    process = subprocess.Popen(
        (sys.executable, "-m", "tests.support.children", *programs),
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield Nursery(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def _tend(modules: list[str]) -> None:
    for module in modules:
        import_module(module)
    living: set[int] = set()

    def reap(*_: object) -> None:
        for pid in tuple(living):
            if os.waitpid(pid, os.WNOHANG)[0]:
                living.remove(pid)
                os.write(1, f"{pid} gone\n".encode())

    signal.signal(signal.SIGCHLD, reap)
    for order in sys.stdin:
        # Blocked, so that nobody is reaped before he is known.
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
        pid = os.fork()
        if not pid:
            _live(*json.loads(order))
        living.add(pid)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for pid in living:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def _live(program: str, arguments: Arguments) -> NoReturn:
    status = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])
        module, _, function = program.partition(":")
        getattr(import_module(module), function)(**arguments)
        status = 0
    except BaseException:  # noqa: BLE001 - it is told below, and the nursery goes on
        print_exc()
    finally:
        os._exit(status)


if __name__ == "__main__":
    _tend(sys.argv[1:])
