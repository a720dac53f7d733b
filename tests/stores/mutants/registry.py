"""
All mutants, each with the test of the suite that kills it.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from attrs import frozen

from azoth.clocks import Clock
from azoth.store import EventStore
from azoth.testing.conformance import CAPABILITIES
from tests.stores.mutants import (
    appending,
    keeping,
    keys,
    locking,
    nothing,
    reading,
    waiting,
)

__all__ = ["MUTANTS", "Mutant"]

_SHORT: Final = 0.3
"""Seconds that a wait of a mutant is given where it is known to hang."""

_LONG: Final = 30.0


@frozen
class Mutant:
    """
    Hold how a mutant is made, and what kills it.

    Attributes:
        name: Of its class.
        fault: What is broken.
        killer: The test of the suite that fails; in brackets the case, where it matters.
        make: Makes the store, in a folder, with a clock.
        capabilities: What it declares.
        scheme: Of the URL that child processes open its data at, by the sound store; None if
            there is no such place.
        patience_seconds: Of its suite.
    """

    name: str
    fault: str
    killer: str
    make: Callable[[Path, Clock], EventStore]
    capabilities: frozenset[str]
    scheme: str | None = None
    patience_seconds: float = _LONG


def _memory(
    kind: Callable[[Clock], EventStore],
    killer: str,
    *,
    claims: frozenset[str] = frozenset({"checkpoints", "leases", "restore"}),
    patience_seconds: float = _LONG,
) -> Mutant:
    return Mutant(
        name=kind.__name__,
        fault=_fault(kind),
        killer=killer,
        make=lambda _folder, clock: kind(clock),
        capabilities=claims,
        patience_seconds=patience_seconds,
    )


def _sqlite(
    kind: Callable[[Path, Clock], EventStore], killer: str, *, patience_seconds: float = _LONG
) -> Mutant:
    return Mutant(
        name=kind.__name__,
        fault=_fault(kind),
        killer=killer,
        make=lambda folder, clock: kind(folder / "log.db", clock),
        capabilities=CAPABILITIES,
        scheme="sqlite",
        patience_seconds=patience_seconds,
    )


def _fault(kind: object) -> str:
    return " ".join((kind.__doc__ or "").split())


_RANGE: Final = "test_every_range_is_what_a_scan_of_the_log_would_give"
_BACK: Final = "test_every_range_reads_backwards_too"
_REFUSED: Final = "test_nothing_of_a_refused_append_remains"
_PAUSE: Final = "test_a_writer_that_pauses_inside_its_append_is_not_seen"
_EXPECTED: Final = "test_an_expectation_is_met_or_the_append_is_refused"
_WHOLE: Final = "test_a_page_is_whole_and_holds_nothing"
_PAGES: Final = "test_pages_join_without_a_gap_or_a_double"
_FENCED: Final = "test_a_checkpoint_and_its_events_are_one_append"

MUTANTS: Final = (
    _memory(
        nothing.DoesNothing,
        "test_positions_and_versions_count_from_one",
        claims=frozenset(),
        patience_seconds=_SHORT,
    ),
    # Locks.
    _memory(locking.TakesItsPositionBeforeTheLock, f"{_PAUSE}[a write]"),
    _memory(locking.ForgetsItsLockForKeys, f"{_PAUSE}[a key]"),
    _memory(locking.ForgetsItsLockForCheckpoints, f"{_PAUSE}[a checkpoint]"),
    _memory(locking.AnswersBeforeItWrites, "test_an_acknowledged_append_is_seen_by_everybody"),
    _memory(locking.ShowsBatchesInParts, "test_a_batch_becomes_visible_whole"),
    _memory(locking.TellsTheHeadOfAnotherSnapshot, "test_what_was_seen_never_changes"),
    # Appends.
    _memory(appending.SwallowsConflicts, _EXPECTED),
    _memory(appending.WritesOneByOne, _REFUSED),
    _memory(
        appending.SkipsChecksOfUnwrittenStreams,
        "test_a_stream_can_be_checked_without_being_written",
    ),
    _memory(appending.ListsOneStaleWrite, "test_all_stale_writes_are_listed"),
    _memory(appending.BurnsAPositionForARefusal, _REFUSED),
    _memory(appending.ForgetsTheSchema, "test_what_is_written_is_read_back_as_it_was"),
    # Keys and checkpoints.
    _memory(keys.IgnoresKeys, "test_the_same_append_with_its_key_happens_once"),
    _memory(
        keys.TakesOtherContentForAKnownKey, "test_other_content_under_a_known_key_is_a_conflict"
    ),
    _memory(keys.TakesTheKeyOfARefusedAppend, _REFUSED),
    _memory(keys.HandsOutTheAnswerItKeeps, "test_an_answer_belongs_to_its_caller"),
    _memory(keys.MovesTheCheckpointAfterTheCommit, _FENCED),
    _memory(keys.MovesTheCheckpointBeforeTheCommit, _REFUSED),
    _memory(keys.MovesTheCheckpointFromAnywhere, _FENCED),
    # Reads.
    _memory(reading.TakesAfterAsInclusive, _RANGE),
    _memory(reading.TakesUntilAsExclusive, _RANGE),
    _memory(reading.TakesLimitPlusOne, _RANGE),
    _memory(reading.ConfusesBackwardsWithForwards, _BACK),
    _memory(reading.StartsBackwardsAtTheWrongEnd, _BACK),
    _memory(reading.SaysThereIsNoMore, _PAGES),
    _memory(reading.GoesOnAfterTheHead, _PAGES),
    _memory(reading.GoesOnAfterTheLastMatch, _RANGE),
    _memory(reading.LendsItsOwnList, _WHOLE),
    _memory(reading.HoldsACursor, _WHOLE),
    _memory(reading.HasNoBoundInBytes, "test_a_page_is_bounded_in_bytes"),
    _memory(reading.MatchesStreamsByPrefix, "test_names_are_compared_byte_for_byte"),
    _memory(
        reading.MatchesCategoriesByPrefix,
        "test_a_category_is_the_text_before_the_first_hyphen",
    ),
    # Waits.
    _memory(
        waiting.WaitsForTheNextAppend,
        "test_a_wait_for_what_is_there_returns_at_once",
        patience_seconds=_SHORT,
    ),
    _memory(
        waiting.LooksAndThenSleeps,
        "test_an_append_between_a_read_and_a_wait_is_not_missed",
        patience_seconds=_SHORT,
    ),
    _memory(
        waiting.WakesNobodyAtItsEnd,
        "test_close_wakes_those_who_wait",
        patience_seconds=_SHORT,
    ),
    # What lasts, and what is shared.
    _memory(keeping.LetsTimeGoBack, "test_time_never_goes_back_along_the_log"),
    _memory(keeping.ServesAfterItsEnd, "test_a_closed_store_refuses_every_call"),
    _memory(
        keeping.IsNotDurable,
        "test_the_log_outlives_the_object",
        claims=frozenset({"checkpoints", "durable", "leases", "restore"}),
    ),
    _memory(keeping.RestoresInPart, "test_only_what_goes_on_from_the_head_is_restored"),
    _memory(keeping.ForgetsWhoStandsAtTheBegin, "test_who_keeps_a_position_is_listed"),
    _memory(keeping.KeepsTheLongestLease, "test_leases_are_kept_apart_from_the_log"),
    _sqlite(keeping.ForgetsItsKeysAtItsEnd, "test_keys_outlive_the_object"),
    _sqlite(keeping.TrustsWhatItRemembers, "test_objects_on_one_log_see_each_other"),
    _sqlite(
        keeping.HearsOnlyItself,
        "test_a_wait_hears_of_another_object",
        patience_seconds=_SHORT,
    ),
)
