"""What people write is refused with all that is wrong with it, each under its own pointer."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from causeway_wire import codec
from causeway_wire.desired import Desired
from causeway_wire.problem import Problem, ProblemError
from causeway_wire.types import parse_scalar
from tests import hostile
from tests.documents import provider


def refused(document: Any) -> Problem:
    with pytest.raises(ProblemError) as caught:
        codec.decode(json.dumps(document).encode(), Desired)
    return caught.value.problem


def example() -> Any:
    return json.loads(codec.encode(provider()))


def test_five_faults_are_told_at_once_and_by_the_words_for_one() -> None:
    document = example()
    document["generation"], document["nics"][0]["mac"] = "soon", "nobody"
    document["surplus"], document["management"]["sources"] = 1, ["192.0.2.0/24", "everywhere"]
    del document["appliance"]
    found = refused(document)
    assert {each.pointer for each in found.each} == {
        "/generation",
        "/nics/0/mac",
        "/surplus",
        "/management/sources/1",
        "",
    }
    assert found.pointer == found.each[0].pointer
    for member in ("generation", "surplus"):
        alone = example()
        alone[member] = document[member]
        (one,) = refused(alone).each
        assert one in found.each


def test_a_list_that_is_too_long_and_has_wrong_entries_is_told_as_both() -> None:
    """Who puts the entries right would be told next that there are too many of them."""
    document = example()
    document["management"]["sources"] = ["everywhere", *(f"192.0.2.{n}/32" for n in range(256))]
    found = {each.pointer: each.detail for each in refused(document).each}
    assert found.keys() == {"/management/sources", "/management/sources/0"}
    document["management"]["sources"][0] = "198.51.100.0/24"
    (one,) = refused(document).each
    assert (one.pointer, one.detail) == ("/management/sources", found["/management/sources"])


def test_of_a_role_that_shows_its_own_faults_are_told() -> None:
    document = example()
    document["role"]["surplus"] = document["role"]["more"] = 1
    assert {each.pointer for each in refused(document).each} == {"/role/surplus", "/role/more"}
    document["role"]["kind"] = "king"
    (one,) = refused(document).each
    assert one.pointer == "/role/kind"


def test_more_than_can_be_told_is_counted() -> None:
    document = example()
    document["management"]["sources"] = ["x"] * (codec.MOST + 20)
    found = refused(document)
    assert (len(found.each), found.more) == (codec.MOST, 20)


def test_the_search_ends_long_before_a_document_with_nothing_but_faults() -> None:
    document = example()
    document["nics"] = [{}] * 50_000
    found = refused(document)
    assert found.more is not UNSET
    assert len(found.each) + found.more == 10 * codec.MOST


def test_of_a_large_document_the_first_is_told() -> None:
    document = example()
    document["generation"], document["epoch"], document["surplus"] = "soon", "late", "x" * (1 << 20)
    assert len(refused(document).each) == 1


@given(hostile.damaged(st.builds(example)))
def test_what_the_decoder_takes_is_taken_and_what_it_refuses_is_refused(document: Any) -> None:
    text = json.dumps(document).encode()
    try:
        wanted = msgspec.json.decode(text, type=Desired, dec_hook=parse_scalar)
    except msgspec.ValidationError:
        assert all(each.detail for each in refused(document).each)
    else:
        assert codec.decode(text, Desired) == wanted
