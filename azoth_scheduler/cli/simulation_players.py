"""
Who plays scenarios for the command `simulate`: this process, or a few that it starts.
"""

import signal
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Final, TypeAlias, cast

from azoth import AzothError
from azoth_scheduler.cli.options import Refused
from azoth_scheduler.simulation import Played, Scenario, examine
from azoth_scheduler.simulation.scenarios.examining import StoreName

__all__ = ["played_by"]

# A fork copies locks that another thread may hold; a spawned process begins with nothing.
_SPAWN: Final = get_context("spawn")

_Pipe: TypeAlias = "Connection[Any, Any]"


def played_by(
    jobs: int, scenarios: Iterator[Scenario], store: StoreName
) -> Generator[Played, None, None]:
    """
    Play scenarios and yield what became of each, in several processes in the order of their ends.

    Args:
        jobs: How many processes play; one is this one.
        scenarios: What is played; the next one is asked for when somebody is free.
        store: Where their logs are kept.
    """
    if jobs == 1:
        for scenario in scenarios:
            yield examine(scenario, store=store)
        return
    with _players(store, jobs) as pipes:
        yield from _dealt(scenarios, pipes)


def _dealt(scenarios: Iterator[Scenario], pipes: Sequence[_Pipe]) -> Iterator[Played]:
    busy: list[_Pipe] = []
    free = [*pipes]
    while True:
        while free and (scenario := next(scenarios, None)) is not None:
            free[-1].send(scenario)
            busy.append(free.pop())
        if not busy:
            return
        for pipe in cast("list[_Pipe]", wait(busy)):
            # Free first: what its answer leads to may take a while.
            busy.remove(pipe)
            free.append(pipe)
            yield _answer(pipe)


def _answer(pipe: _Pipe) -> Played:
    try:
        answer = pipe.recv()
    except EOFError:
        raise Refused("a process that played a scenario has ended; its end was no answer") from None
    if isinstance(answer, AzothError):
        raise answer
    return cast("Played", answer)


@contextmanager
def _players(store: StoreName, jobs: int) -> Generator[Sequence[_Pipe], None, None]:
    pipes: list[_Pipe] = []
    processes: list[BaseProcess] = []
    try:
        for _ in range(jobs):
            ours, theirs = _SPAWN.Pipe()
            process: BaseProcess = _SPAWN.Process(target=_play, args=(theirs, store), daemon=True)
            process.start()
            # Held by the player alone, so that each side sees the other's end.
            theirs.close()
            pipes.append(ours)
            processes.append(process)
        yield pipes
    finally:
        for pipe in pipes:
            pipe.close()
        for process in processes:
            process.terminate()
            process.join()


def _play(pipe: _Pipe, store: StoreName) -> None:
    # A terminal sends Ctrl-C to all; who started us says when to end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with suppress(EOFError, BrokenPipeError):
        while True:
            scenario: Scenario = pipe.recv()
            try:
                pipe.send(examine(scenario, store=store))
            except AzothError as error:
                pipe.send(error)
