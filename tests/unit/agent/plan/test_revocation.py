"""What a document may revoke, and where it is told what is wrong with it."""

from __future__ import annotations

import pytest
from msgspec import structs

from causeway_agent.errors import CompileError
from causeway_agent.plan.compile import compile_document
from causeway_wire import codec
from causeway_wire.desired import Desired
from causeway_wire.problem import ProblemError, ProblemType
from tests import documents


def management(*revoked: str) -> Desired:
    whole = documents.provider()
    return structs.replace(whole, management=structs.replace(whole.management, revoked=revoked))


@pytest.mark.parametrize(
    "serial",
    ["", "0", "0a", "0A", "AB", "a:b", "-1", "0x1f", "g", "a\n", " a", "f" * 41, "1" * 400, "٣", "a b"],
)
def test_what_is_no_serial_number_is_refused_by_its_place(serial: str) -> None:
    with pytest.raises(ProblemError) as caught:
        codec.decode(codec.encode(management("1f", serial)), Desired)
    assert caught.value.problem.type == ProblemType.INVALID.urn
    assert caught.value.problem.pointer == "/management/revoked/1"


def test_serial_numbers_of_every_length_are_taken() -> None:
    sent = management("1", "f" * 40, "1f")
    assert codec.decode(codec.encode(sent), Desired) == sent
    compile_document(sent, documents.FACTS)


def test_a_serial_number_named_twice_is_a_problem() -> None:
    with pytest.raises(CompileError) as caught:
        compile_document(management("1f", "2", "1f"), documents.FACTS)
    assert [(one.type, one.pointer) for one in caught.value.problems] == [
        (ProblemType.DUPLICATE.urn, "/management/revoked/2")
    ]


def test_a_document_that_revokes_nothing_has_the_text_it_had_before_there_was_revocation() -> None:
    assert b"revoked" not in codec.encode(documents.provider())
