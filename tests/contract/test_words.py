"""What a text is to be is told in words, for each text of the contracts that is not free."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args, get_type_hints

import msgspec
import pytest

from causeway_controller.contract.audiences import STAFF, TENANTS
from causeway_controller.contract.inventory import Inventory
from causeway_controller.contract.requests import Chore, Request
from causeway_wire import codec, update
from causeway_wire import routes as of_agents
from causeway_wire.problem import ProblemError
from causeway_wire.types import WORDS

_OURS = [kind for route in (*STAFF.routes, *TENANTS.routes) for kind in (route.request, route.response)]
_OF_AGENTS = [kind for route in of_agents.ROUTES for kind in (route.request, route.response)]
DOCUMENTS: list[object] = [*_OURS, *_OF_AGENTS, Request, Chore, *vars(update).values()]


def metas(kind: object, seen: set[object]) -> Iterator[msgspec.Meta]:
    if isinstance(kind, msgspec.Meta):
        yield kind
    inside = get_args(kind)
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and kind not in seen:
        seen.add(kind)
        inside = tuple(get_type_hints(kind, include_extras=True).values())
    for one in inside:
        yield from metas(one, seen)


def test_every_pattern_of_the_contracts_is_said_in_words() -> None:
    seen: set[object] = set()
    patterns = [one for kind in DOCUMENTS for one in metas(kind, seen) if one.pattern is not None]
    assert len({one.pattern for one in patterns}) > 12
    assert [one.pattern for one in patterns if not (one.extra or {}).get(WORDS)] == []


@pytest.mark.parametrize(
    ("host", "pointer", "words"),
    [
        ({"storage": {"id": ""}}, "/hosts/0/storage/id", "expected 1 to 128 printable ASCII characters"),
        ({"storage": {"id": "Größe"}}, "/hosts/0/storage/id", "such as dvs-21"),
        ({"endpoint": "vcenter.example"}, "/hosts/0/endpoint", "expected a URL, such as https://vcenter"),
        ({"pin": "AA:BB"}, "/hosts/0/pin", "expected a SHA-256: 64 lower-case hexadecimal digits"),
        ({"id": "ESX 1"}, "/hosts/0/id", "expected a name: 1 to 63 lower-case letters"),
    ],
)
def test_who_wrote_an_inventory_reads_no_regular_expression(
    host: dict[str, object], pointer: str, words: str
) -> None:
    whole = {"id": "esx1", "kind": "vsphere", "endpoint": "https://a.example/sdk", "storage": {"id": "d"}}
    with pytest.raises(ProblemError) as caught:
        codec.decode(msgspec.json.encode({"hosts": [whole | host]}), Inventory)
    assert caught.value.problem.pointer == pointer
    assert caught.value.problem.detail.startswith("expected ")
    assert words in caught.value.problem.detail
    assert "regex" not in caught.value.problem.detail
