"""
The demo: it carries itself out, its proof holds, and each of its claims can be broken.
"""

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import pytest
from attrs import evolve
from click.testing import CliRunner, Result
from rich.console import Console

from azoth import Event, StoreFailed, iterate, open_store
from azoth_scheduler.cli import demonstrating
from azoth_scheduler.cli.commands import azoth_scheduler
from azoth_scheduler.cli.demo_view import audience
from azoth_scheduler.demo import files, machine
from azoth_scheduler.demo.ledger import Ledger
from azoth_scheduler.demo.process import DemoFailed, WorkerProcess
from azoth_scheduler.demo.proof import Comparison, claims_of
from azoth_scheduler.demo.samples import Samples
from azoth_scheduler.demo.script import Script
from azoth_scheduler.demo.stage import Audience, Scene, perform
from azoth_scheduler.demo.stage import Result as DemoResult
from azoth_scheduler.events import registry, stream_of

SECOND: Final = 1_000_000


class Recorder:
    """
    Keep what was shown.
    """

    def __init__(self) -> None:
        self.scenes: list[Scene] = []

    def show(self, scene: Scene) -> None:
        self.scenes.append(scene)


class Played:
    """
    Carry out one demo for all tests of this file, and hold what there was to see.
    """

    def __init__(self, folder: Path) -> None:
        recorder = Recorder()
        self.result = perform(folder, 3, recorder)
        self.scenes = recorder.scenes
        with open_store(self.result.url) as store:
            self.events = tuple(iterate(store))


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    """
    A demo of three seconds, and what a kill adds to it.
    """
    return Played(tmp_path_factory.mktemp("demo"))


def test_everything_holds(played: Played) -> None:
    """
    Every claim about the log, and the digests of both projections.
    """
    assert [claim for claim in played.result.claims if not claim.holds] == []
    assert [one.projection for one in played.result.digests] == ["schedule table", "samples"]
    assert played.result.holds


def test_it_shows_a_kill_in_the_middle(played: Played) -> None:
    """
    The worker is killed while it is busy, nothing happens for a while, and another one goes on.
    """
    acts = list(dict.fromkeys(scene.act for scene in played.scenes))
    (dead,) = {scene.head for scene in played.scenes if scene.act == "dead"}
    workers = {scene.pid for scene in played.scenes if scene.pid is not None}

    assert acts == ["starting", "working", "dead", "back", "ending"]
    assert 0 < dead < played.result.events
    assert max(scene.lost for scene in played.scenes) >= 3
    assert len(workers) == 2


def test_all_kinds_of_tasks_are_in_it(played: Played) -> None:
    """
    Cron, interval, one-time, fifty immediate ones, one that fails twice, one that times out.
    """
    by_id = {task.task_id: task for task in played.result.tasks}
    outcomes = {name: [run.outcome for run in runs] for name, runs in played.result.runs.items()}

    assert sum(name.startswith("count-words-") for name in by_id) >= 50
    assert outcomes["call-service"][-1] == "succeeded"
    assert outcomes["call-service"].count("failed") == 2
    assert by_id["wait-for-answer"].status == "disabled"
    assert by_id["measure-disk"].totals.succeeded == 1
    assert {"sample-load", "check-files"} < set(by_id)


Break = Callable[[Sequence[Event]], Sequence[Event]]


def first_of(events: Sequence[Event], type: str, task_id: str | None) -> Event:
    """
    The first event of a type, of one task if one is named.
    """
    return next(
        event
        for event in events
        if event.type == type and (task_id is None or event.stream == stream_of(task_id))
    )


def without(type: str, task_id: str | None = None) -> Break:
    """
    Leave one event out.
    """

    def broken(events: Sequence[Event]) -> Sequence[Event]:
        left_out = first_of(events, type, task_id)
        return [event for event in events if event is not left_out]

    return broken


def twice(type: str, task_id: str | None = None) -> Break:
    """
    Have one event a second time, behind the first.
    """

    def broken(events: Sequence[Event]) -> Sequence[Event]:
        doubled = first_of(events, type, task_id)
        return [one for event in events for one in [event] * (2 if event is doubled else 1)]

    return broken


def changed(type: str, task_id: str, **changes: object) -> Break:
    """
    Have other values in one event.
    """

    def broken(events: Sequence[Event]) -> Sequence[Event]:
        one = first_of(events, type, task_id)
        other = evolve(one, data=registry.encode(evolve(registry.decode(one), **changes)).data)
        return [other if event is one else event for event in events]

    return broken


@pytest.mark.parametrize(
    ("claim", "broken"),
    [
        ("nothing-lost", twice("TaskExecuted", "count-words-01")),
        ("nothing-lost", changed("TaskExecuted", "count-words-01", outcome="failed")),
        ("nothing-twice", twice("TaskRunStarted")),
        ("every-start-ended", without("TaskExecuted")),
        ("every-start-ended", without("TaskRunStarted")),
        ("kill-survived", lambda events: [e for e in events if e.type != "TaskRunAbandoned"]),
        ("attempts-numbered", changed("TaskRunStarted", "sample-load", attempt=2)),
        ("accounted:sample-load", without("TaskRunSkipped", "sample-load")),
        ("accounted:sample-load", changed("TaskRunSkipped", "sample-load", count=7)),
        ("output-with-outcome", without("load_sampled")),
        ("output-with-outcome", twice("words_counted")),
        ("ladder-kept", changed("TaskExecuted", "call-service", retry_at=1)),
        ("timed-out", without("TaskDisabled")),
        ("samples-noted", without("load_noted")),
        ("samples-noted", twice("load_noted")),
    ],
)
def test_each_claim_can_be_broken(played: Played, claim: str, broken: Break) -> None:
    """
    A proof that nothing can break proves nothing.
    """
    claims = {one.name: one for one in claims_of(Ledger().read(broken(played.events)))}

    assert not claims[claim].holds


def test_an_empty_log_proves_nothing() -> None:
    """
    Nothing was lost of nothing, which is no reason to be glad.
    """
    held = {one.name for one in claims_of(Ledger()) if one.holds}

    assert held <= {"nothing-twice", "attempts-numbered", "output-with-outcome"}


def test_digests_are_compared() -> None:
    """
    Both must be the same.
    """
    assert Comparison(projection="one", live="a", rebuilt="a").holds
    assert not Comparison(projection="one", live="", rebuilt="a").holds


def test_what_an_onlooker_reads_are_lines(played: Played) -> None:
    """
    Without a terminal: the acts, what happened to each task, and the batch as a whole.
    """
    text = shown(played.scenes, is_terminal=False)

    lines = text.splitlines()
    assert "starts" in lines[0]
    assert any("killed by SIGKILL with" in line for line in lines)
    assert any("abandoned: the worker is dead" in line for line in lines)
    # The kill may hit an attempt, which is abandoned, so the second failure may be a later one.
    runs = played.result.runs["call-service"]
    _, second = [run.attempt for run in runs if run.outcome == "failed"]
    assert any(f"call-service     attempt {second} failed" in line for line in lines)
    assert any("files are counted" in line for line in lines)
    assert "\x1b" not in text
    assert len(lines) < 60


def test_what_an_onlooker_sees_is_a_picture(played: Played) -> None:
    """
    On a terminal: how far it is, the tasks, the samples, the last lines; nothing stays behind.
    """
    text = shown(played.scenes, is_terminal=True)

    assert "SIGKILL in" in text
    assert "a new worker in" in text
    assert "runs in its place" in text
    assert "of 50 files" in text
    assert "memory" in text


def shown(scenes: Sequence[Scene], *, is_terminal: bool) -> str:
    """
    What the scenes look like.
    """
    written = io.StringIO()
    console = Console(
        file=written, force_terminal=is_terminal, width=100, highlight=False, markup=False
    )
    with audience(console) as looking_on:
        for scene in scenes:
            looking_on.show(scene)
    return written.getvalue()


def run(*arguments: str) -> Result:
    """
    Run the command in this process.
    """
    return CliRunner().invoke(azoth_scheduler, ["demo", *arguments])


@pytest.fixture
def performing(played: Played, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """
    A stage on which the demo that was carried out is shown again, in an empty folder.

    What is put into the list is returned, or raised, in its place.
    """
    instead: list[Any] = []

    def perform_again(folder: Path, seconds: float, audience: Audience) -> DemoResult:
        for scene in played.scenes:
            audience.show(scene)
        if instead and isinstance(instead[0], BaseException):
            raise instead[0]
        return instead[0] if instead else played.result

    monkeypatch.setattr(demonstrating, "perform", perform_again)
    monkeypatch.chdir(tmp_path)
    return instead


def test_it_ends_with_something_to_look_at(performing: list[Any], played: Played) -> None:
    """
    Tasks, the retry ladder, the samples, the proof, the digests, and how to go on from there.
    """
    ended = run()

    assert ended.exit_code == 0
    for part in (
        "count-words-01 … 50",
        "again after 600 ms",
        "again after 1.2 s",
        "timed out after 1.5 s",
        "↯ abandoned",
        "51 of 51",
        "All of it holds",
        f"runs call-service --store {played.result.url}",
    ):
        assert part in ended.stdout
    assert all(one.live[:12] in ended.stdout for one in played.result.digests)


def test_what_does_not_hold_is_an_exit_code(performing: list[Any], played: Played) -> None:
    """
    It is 1, and what is wrong is marked.
    """
    broken = [evolve(one, holds=False) for one in played.result.claims]
    wrong = [evolve(one, live="0" * 32) for one in played.result.digests]
    performing.append(evolve(played.result, claims=broken, digests=wrong))

    shown_to_people, for_machines = run(), run("--json")

    assert (shown_to_people.exit_code, for_machines.exit_code) == (1, 1)
    assert "Something above does not hold" in shown_to_people.stdout
    assert "✗  each immediate task" in shown_to_people.stdout
    assert "000000000000… ≠" in shown_to_people.stdout
    assert json.loads(for_machines.stdout)["holds"] is False


def test_each_demo_has_a_folder_of_its_own(performing: list[Any]) -> None:
    """
    `data/demo-1` and so on, or the one that is named, if it is empty.
    """
    run("--json")
    run("--json")
    named = run("--data", "mine", "--json")
    Path("mine", "file").touch()
    not_empty = run("--data", "mine")
    marked = run("--data", "what?")
    Path("data-file").touch()
    a_file = run("--data", "data-file")
    impossible = run("--data", "data-file/x")

    assert sorted(path.name for path in Path("data").iterdir()) == ["demo-1", "demo-2"]
    assert named.exit_code == 0
    assert (not_empty.exit_code, "is not empty" in not_empty.stderr) == (2, True)
    assert (marked.exit_code, "question mark" in marked.stderr) == (2, True)
    assert (a_file.exit_code, "--data data-file is no folder" in a_file.stderr) == (2, True)
    assert (impossible.exit_code, "--data" in impossible.stderr) == (3, True)


def test_a_file_called_data_is_no_reason_to_try_for_ever(performing: list[Any]) -> None:
    """
    It is a sentence and exit code 3.
    """
    Path("data").touch()

    assert run().exit_code == 3


@pytest.mark.parametrize(
    ("error", "code", "sentence"),
    [
        (KeyboardInterrupt(), 130, "interrupted; what there is of the log is in"),
        (DemoFailed(reason="the worker sulked"), 1, "broke off: the worker sulked"),
        (StoreFailed(reason="no disk"), 3, "no disk"),
    ],
)
def test_a_demo_that_breaks_off_says_why(
    performing: list[Any], error: BaseException, code: int, sentence: str
) -> None:
    """
    And where its log is; no traceback.
    """
    performing.append(error)

    broken_off = run()

    assert broken_off.exit_code == code
    assert sentence in broken_off.stderr
    assert "Traceback" not in broken_off.output


def test_the_program_is_named_as_it_was_called(
    performing: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    By its path where it is not on PATH, so that the commands can be pasted.
    """
    for name in ("azoth", "azoth-scheduler"):
        (tmp_path / name).touch(mode=0o755)
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "azoth-scheduler")])
    off_path = run().stdout
    monkeypatch.setenv("PATH", str(tmp_path))
    on_path = run().stdout

    assert f"  {tmp_path}/azoth tail --store" in off_path
    assert "\n  azoth tail --store" in on_path


def test_the_command_is_whole(tmp_path: Path) -> None:
    """
    In a process of its own, as `make demo` runs it: the proof as JSON, and exit code 0.
    """
    program = "from azoth_scheduler.cli import main; main()"
    command = [sys.executable, "-c", program, "demo", "--seconds", "4", "--json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    proof = json.loads(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    assert proof["holds"] is True
    assert proof["store"] == "sqlite:///data/demo-1/azoth.db"
    assert all(one["holds"] for one in [*proof["claims"], *proof["digests"]])


def test_a_worker_that_ends_by_itself_is_noticed(tmp_path: Path) -> None:
    """
    With its last words.
    """
    words = tmp_path / "words"
    with WorkerProcess("nonsense", tmp_path / "table", words) as worker:
        worker.check()
        worker.start()
        assert worker.pid is not None
        os.waitid(os.P_PID, worker.pid, os.WEXITED | os.WNOWAIT)

        with pytest.raises(DemoFailed, match="ended by itself with code 1") as noticed:
            worker.check()
        with pytest.raises(DemoFailed, match="is no store URL"):
            worker.stop()
    assert "'nonsense' is no store URL" in str(noticed.value)


def test_a_worker_ends_with_whoever_started_it(tmp_path: Path) -> None:
    """
    The end of its input is as good as a signal.
    """
    command = [sys.executable, "-m", "azoth_scheduler.demo.worker"]
    arguments = [f"sqlite:///{tmp_path}/log.db", str(tmp_path / "table.db")]
    done = subprocess.run(
        [*command, *arguments], input=b"", timeout=60, capture_output=True, check=False
    )

    assert (done.returncode, done.stderr) == (0, b"")


def test_the_machine_is_read_from_files(tmp_path: Path) -> None:
    """
    As Linux writes them.
    """
    (tmp_path / "loadavg").write_text("0.52 0.58 0.59 3/602 12345\n")
    (tmp_path / "meminfo").write_text("MemTotal: 1000 kB\nMemAvailable: 250 kB\n")
    sample = machine.sample_load(tmp_path)

    assert (sample.load_1, sample.load_5, sample.load_15) == (0.52, 0.58, 0.59)
    assert sample.memory_used == 0.75


def test_a_machine_without_those_files_is_asked_otherwise(tmp_path: Path) -> None:
    """
    The load comes from the C library; nobody tells about the memory.
    """
    sample = machine.sample_load(tmp_path)

    assert sample.load_1 >= 0
    assert sample.memory_used is None


def test_files_are_found_and_summed_up(tmp_path: Path) -> None:
    """
    No hidden ones, none that tools make, no large ones; one that has just gone counts as empty.
    """
    for name in ("b.py", "a.py", ".hidden", "build/c.py", ".git/d.py", "e/f.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("one two\nthree")
    (tmp_path / "large").write_bytes(bytes(2 * 1024 * 1024))
    found = files.files_of(tmp_path)
    checked = files.checksum(tmp_path, found)
    counted = files.count_words(found[0])
    (tmp_path / "a.py").unlink()

    assert [path.name for path in found] == ["a.py", "b.py", "f.py"]
    assert (checked.files, checked.size) == (3, 39)
    assert (counted.lines, counted.words) == (2, 3)
    assert files.count_words(found[0]).words == 0
    assert files.checksum(tmp_path, found).sha256 != checked.sha256


def test_without_a_repository_the_package_is_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    There is always something to read.
    """
    package = tmp_path / "azoth_scheduler"
    package.mkdir()
    monkeypatch.setattr("azoth_scheduler.__file__", str(package / "__init__.py"))

    assert files.root_of_files() == package
    (tmp_path / "pyproject.toml").touch()
    assert files.root_of_files() == tmp_path


def test_a_sample_that_cannot_be_read_is_passed_over(played: Played) -> None:
    """
    A projection is total.
    """
    sample = next(event for event in played.events if event.type == "load_sampled")
    samples = Samples()
    samples.apply([evolve(sample, data=b"junk"), sample], sample.position)

    assert samples.rows["load"].count == 1


@pytest.mark.parametrize("seconds", [3, 12, 60])
@pytest.mark.parametrize("late", [0, 500_000, 1_300_000])
def test_the_kill_lies_before_a_sample_and_two_are_missed(seconds: int, late: int) -> None:
    """
    Wherever the demo begins within the two seconds between samples.
    """
    began = 1_800_000_000 * SECOND + late
    script = Script.of(began, seconds)  # type: ignore[arg-type]

    kill, back = script.kill_at, script.back_at(script.kill_at)
    grid = range(kill - kill % (2 * SECOND), back, 2 * SECOND)
    assert script.batch_at > began
    assert len([at for at in grid if kill < at <= back]) == 2
    assert script.over_at(back) >= max(back, script.ends_at)
