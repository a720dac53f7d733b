"""
A fork in the midst of another thread's appends leaves a child that can write (S9).
"""

import subprocess
import sys
from pathlib import Path
from typing import Final

FORKS: Final = """
import os, sys, threading
from azoth import ANY, NewEvent, Write, open_store

store = open_store(sys.argv[1], busy_timeout=2)
stop = threading.Event()

def append(stream):
    store.append(Write(stream, [NewEvent("happened", b"")], ANY))

def keep_appending():
    while not stop.is_set():
        append("parent")

thread = threading.Thread(target=keep_appending)
thread.start()
ready, go = os.pipe()
children = []
for _ in range(4):
    child = os.fork()
    if child == 0:
        os.close(go)
        os.read(ready, 1)
        try:
            append("child")
        except BaseException as error:
            print(repr(error), flush=True)
            os._exit(1)
        os._exit(0)
    children.append(child)
stop.set()
thread.join()
os.close(go)
assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0] * 4
append("parent")
"""


def test_a_child_forked_while_a_thread_appends_can_append_too(tmp_path: Path) -> None:
    """
    SQLite keeps its locks in memory too, so a fork waits for the commit that runs.
    """
    done = subprocess.run(
        [sys.executable, "-c", FORKS, f"sqlite:///{tmp_path}/log.db"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stdout) == (0, ""), done.stderr
