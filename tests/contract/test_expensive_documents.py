"""A document costs about as much per octet whatever its size: who may only observe can send any."""

from __future__ import annotations

import json

import pytest

from tests import expensive_documents as expensive

SMALL, LARGE = 10_000, 40_000
WHOLE = expensive.models()
GROWTHS = [
    pytest.param(name, paths, filling, id=f"{name}, {filling}: {' + '.join(str(path[-1]) for path in paths)}")
    for name, whole in WHOLE.items()
    for paths in expensive.TOGETHER
    for filling in expensive.FILLINGS
    if expensive.has(whole, paths)
]


@pytest.mark.parametrize(("name", "paths", "filling"), GROWTHS)
def test_the_cost_of_a_document_grows_with_its_size(
    name: str, paths: tuple[expensive.Path, ...], filling: str
) -> None:
    small, large = (expensive.grown(WHOLE[name], paths, filling, octets) for octets in (SMALL, LARGE))
    longer = len(json.dumps(large)) / len(json.dumps(small))
    assert expensive.calls(large) <= 2 * longer * expensive.calls(small)
