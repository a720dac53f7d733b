"""
The server that forks the children: `python -m tests.stores.faults.server`, started by a nursery.
"""

import ctypes
import json
import logging
import os
import socket
import sys
from typing import Any

from azoth.errors import AzothError
from tests.stores.faults.children import PROGRAMS
from tests.stores.faults.mutants import apply_mutant
from tests.stores.faults.subjects import SUBJECTS

__all__ = ["serve"]


def _let_anybody_trace() -> None:
    # Where only ancestors may trace, a child has to allow it: the tracer is its cousin.
    ctypes.CDLL(None).prctl(0x59616D61, ctypes.c_ulong(-1), 0, 0, 0)


def _run(channel: socket.socket, program: str, arguments: dict[str, Any]) -> None:
    lines = channel.makefile("r", encoding="utf-8")

    def say(*words: object) -> None:
        # Not `write`: the faults that are meant for the store's own calls must not meet it.
        channel.send((" ".join(map(str, words)).replace("\n", " ") + "\n").encode())

    def hear() -> str:
        say("ready")
        return lines.readline()

    _let_anybody_trace()
    apply_mutant(arguments.pop("mutant", None))
    try:
        PROGRAMS[program](say, hear, **arguments)
        say("end")
    except AzothError as error:
        say("broken", type(error).__name__, error)
    except BaseException as error:  # noqa: BLE001 - the parent judges what came out
        say("untyped", type(error).__name__, error)


def _fork(channel: socket.socket, program: str, arguments: dict[str, Any]) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            _run(channel, program, arguments)
        finally:
            os._exit(0)
    channel.close()
    return pid


def serve(descriptor: int) -> None:
    """
    Fork a child for each order that comes, until nobody can send one any more.
    """
    # The stores warn of what is done to them, and nobody needs to hear it.
    logging.getLogger("azoth").addHandler(logging.NullHandler())
    for each in SUBJECTS:
        # A child that imported them itself would do so in the middle of what is traced.
        each.load()
        each.hurry()
    with socket.socket(fileno=descriptor) as orders:
        while True:
            order, descriptors, _, _ = socket.recv_fds(orders, 65_536, 1)
            if not order:
                return
            program, arguments = json.loads(order)
            if program == "wait":
                _, status = os.waitpid(arguments["pid"], 0)
                answer = os.waitstatus_to_exitcode(status)
            else:
                answer = _fork(socket.socket(fileno=descriptors[0]), program, arguments)
            orders.sendall(b"%d\n" % answer)


if __name__ == "__main__":
    serve(int(sys.argv[1]))
