"""
Golden logs: recorded once, folded by today's code.
"""

from pathlib import Path
from typing import Final

import pytest

from azoth import Event, EventStore
from azoth.export_format import BadExport
from azoth.testing import GoldenMismatch, check_golden, record_golden
from tests.core.bank import Balances, deposit, noise

ADA: Final = "account-ada"
BOB: Final = "account-bob"


@pytest.fixture
def golden(store: EventStore, tmp_path: Path) -> Path:
    """
    A log of four events of two accounts, recorded.
    """
    deposit(store, ADA, 1)
    noise(store, 1)
    deposit(store, BOB, 2)
    deposit(store, ADA, 4)
    record_golden(store, tmp_path / "bank.golden", Balances)
    return tmp_path / "bank.golden"


def test_the_code_that_recorded_a_log_passes(golden: Path) -> None:
    """
    Nothing is raised, however often.
    """
    check_golden(golden, Balances)
    check_golden(str(golden), Balances)


def test_a_fold_that_was_changed_is_told_where_it_differs_first(golden: Path) -> None:
    """
    The position, the row, and its value then and now.
    """

    class Doubled(Balances):
        def fold(self, event: Event) -> None:
            super().fold(event)
            if event.stream == BOB:
                self.put(BOB, 2 * self.get(BOB, 0))

    with pytest.raises(GoldenMismatch) as raised:
        check_golden(golden, Doubled)

    error = raised.value
    assert (error.position, error.since, error.key) == (3, 2, BOB)
    assert "row 'account-bob': value: 2 → 4" in str(error)
    assert isinstance(error, AssertionError)


def test_a_row_that_is_missing_is_nothing(golden: Path) -> None:
    """
    A fold that overlooks events has rows less.
    """

    class Blind(Balances):
        def fold(self, event: Event) -> None:
            """
            Overlook all of them.
            """

    with pytest.raises(GoldenMismatch, match=r"position 1 .* value: 1 → nothing"):
        check_golden(golden, Blind)


def test_a_digest_alone_may_differ(golden: Path) -> None:
    """
    Then no row is blamed.
    """

    class Salted(Balances):
        def digest(self) -> str:
            return "0"

    with pytest.raises(GoldenMismatch, match="no row reads differently"):
        check_golden(golden, Salted)


def test_digests_may_lie_apart(store: EventStore, tmp_path: Path) -> None:
    """
    The error names the last position that was sound.
    """
    deposit(store, ADA, *[1] * 10)
    record_golden(store, tmp_path / "log", Balances, every=4)

    class Sevens(Balances):
        def fold(self, event: Event) -> None:
            super().fold(event)
            if event.position == 7:
                self.put(ADA, 0)

    with pytest.raises(GoldenMismatch) as raised:
        check_golden(tmp_path / "log", Sevens)

    assert (raised.value.since, raised.value.position) == (4, 8)


def test_what_is_no_golden_log_is_refused(golden: Path, tmp_path: Path) -> None:
    """
    Another file, a cut one, one of another projection.
    """
    lines = golden.read_bytes().splitlines(keepends=True)

    class Others(Balances):
        name = "others"

    with pytest.raises(ValueError, match="recorded of 'balances', not of 'others'"):
        check_golden(golden, Others)
    for content, said in (
        (b"", "it is no JSON"),
        (b"[]\n", "no JSON object"),
        (b"{}\n", "no golden log"),
        (lines[0] + b"x", "line 2"),
        (b"".join(lines[:-2]), "the end is missing"),
        (b"".join(lines).replace(b'"amount":4', b'"amount":3'), "digest"),
    ):
        (tmp_path / "bad").write_bytes(content)
        with pytest.raises((BadExport, GoldenMismatch), match=said):
            check_golden(tmp_path / "bad", Balances)
    with pytest.raises(ValueError, match="every"):
        record_golden(None, golden, Balances, every=0)  # type: ignore[arg-type] # it is not reached
