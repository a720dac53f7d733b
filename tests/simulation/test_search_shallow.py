"""
A few moves of each small world; the deep searches are in `test_search`.
"""

import pytest

from azoth_scheduler.simulation.search import SCOPES, Scope, search


@pytest.mark.parametrize("scope", SCOPES, ids=lambda scope: scope.name)
def test_no_path_of_five_moves_breaks_an_invariant(scope: Scope) -> None:
    """
    From each state every move is made, and none leads to a breach.
    """
    found = search(scope, 5)

    assert found.counterexample is None, str(found.counterexample)
    assert len(found.per_depth) == 6
