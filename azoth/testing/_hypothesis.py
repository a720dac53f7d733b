"""
Hypothesis, or an error that says how to install it.

Whatever draws takes it from here, so that one message names the extra.
"""

try:
    from hypothesis import strategies as st
    from hypothesis.stateful import (
        Bundle,
        RuleBasedStateMachine,
        initialize,
        invariant,
        precondition,
        rule,
    )
except ImportError as error:
    raise ImportError(
        'strategies and machines need Hypothesis: pip install "azoth-scheduler[testing]"'
    ) from error

__all__ = [
    "Bundle",
    "RuleBasedStateMachine",
    "initialize",
    "invariant",
    "precondition",
    "rule",
    "st",
]
