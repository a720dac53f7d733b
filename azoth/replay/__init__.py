"""
Any state of the past: rebuilt, compared, searched and explained.

Write `from azoth.replay import state_at`; the name `azoth.replay` itself is the function `replay`.
"""

from azoth.replay.bisecting import bisect
from azoth.replay.differing import Difference, Place, RowDifference, diff
from azoth.replay.errors import (
    BeforeFirstEvent,
    HoldsFromStart,
    NeverHolds,
    PositionBeyondHead,
    ReplayError,
    SearchReversed,
    UnknownPlugin,
)
from azoth.replay.explaining import Explanation, Step, why
from azoth.replay.field_changes import ABSENT, FieldChange, changes_between
from azoth.replay.pace import Pace, paced
from azoth.replay.past import state_at
from azoth.replay.plugins import DECIDERS, PROJECTIONS, Factory, Rules, deciders, projections
from azoth.replay.prefixes import PrefixDigest, digests
from azoth.replay.replaying import digest, position_at, replay
from azoth.replay.snapshots import SNAPSHOT_EVERY, Snapshots, Snapshottable
from azoth.replay.supposing import Supposed, what_if

__all__ = [
    "ABSENT",
    "DECIDERS",
    "PROJECTIONS",
    "SNAPSHOT_EVERY",
    "BeforeFirstEvent",
    "Difference",
    "Explanation",
    "Factory",
    "FieldChange",
    "HoldsFromStart",
    "NeverHolds",
    "Pace",
    "Place",
    "PositionBeyondHead",
    "PrefixDigest",
    "ReplayError",
    "RowDifference",
    "Rules",
    "SearchReversed",
    "Snapshots",
    "Snapshottable",
    "Step",
    "Supposed",
    "UnknownPlugin",
    "bisect",
    "changes_between",
    "deciders",
    "diff",
    "digest",
    "digests",
    "paced",
    "position_at",
    "projections",
    "replay",
    "state_at",
    "what_if",
    "why",
]
