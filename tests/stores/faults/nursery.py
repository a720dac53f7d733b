"""
Children that may be killed, traced or starved: forked by a server that has imported everything.

A fresh interpreter takes a third of a second, a fork of the server ten milliseconds, and faults
need thousands. The server opens no store and starts no thread, so its forks are sound.
"""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Final, Self

__all__ = ["Child", "Nursery"]

ROOT: Final = Path(__file__).parents[3]


class Child:
    """
    Be one child: lines go in and come out, and at its end there is a status.
    """

    def __init__(self, nursery: "Nursery", pid: int, channel: socket.socket) -> None:
        self.pid: Final = pid
        self._nursery = nursery
        self._channel = channel
        self._lines = channel.makefile("r", encoding="utf-8")
        self._status: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._status is None:
            self.kill()
            self.wait()
        self._lines.close()
        self._channel.close()

    def line(self) -> str | None:
        """
        Return the next line that the child says; None at its end.
        """
        try:
            return self._lines.readline().rstrip("\n") or None
        except ConnectionResetError:
            return None

    def rest(self) -> list[str]:
        """
        Return the lines that it says until its end.
        """
        lines: list[str] = []
        while (line := self.line()) is not None:
            lines.append(line)
        return lines

    def until_ready(self) -> list[str]:
        """
        Return the lines that it says until it waits to be told to go.
        """
        lines: list[str] = []
        while (line := self.line()) != "ready":
            assert line is not None, f"the child ended before it was ready: {lines}"
            lines.append(line)
        return lines

    def go(self) -> None:
        """
        Let it go on from where it waits.
        """
        self._channel.sendall(b"go\n")

    def kill(self) -> None:
        """
        End it at once, as a power switch ends a process.
        """
        os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> int:
        """
        Return its status: what it exited with, or minus the signal that ended it.
        """
        if self._status is None:
            self._status = self._nursery.wait(self.pid)
        return self._status


class Nursery:
    """
    Start children, and tell how they ended.
    """

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        # What measures coverage writes files of its own, and their writes must not be counted.
        environment = {k: v for k, v in os.environ.items() if not k.startswith("COV")}
        self._server = subprocess.Popen(
            [sys.executable, "-m", "tests.stores.faults.server", str(theirs.fileno())],
            cwd=ROOT,
            env=environment,
            pass_fds=[theirs.fileno()],
        )
        theirs.close()
        self._channel = ours
        self._answers = ours.makefile("r", encoding="utf-8")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._answers.close()
        self._channel.close()
        self._server.wait()

    def start(self, program: str, **arguments: object) -> Child:
        """
        Start *program* of `children` in a process of its own.
        """
        ours, theirs = socket.socketpair()
        order = json.dumps([program, arguments]) + "\n"
        socket.send_fds(self._channel, [order.encode()], [theirs.fileno()])
        theirs.close()
        return Child(self, int(self._answers.readline()), ours)

    def wait(self, pid: int) -> int:
        """
        Wait for the end of a child, and return its status.
        """
        self._channel.sendall(json.dumps(["wait", {"pid": pid}]).encode() + b"\n")
        return int(self._answers.readline())
