"""Who a client certificate says is asking: one controller, by a name that can stand in a journal."""

from __future__ import annotations

import pytest

from causeway_agent.api import peers
from causeway_wire.problem import ProblemError, ProblemType
from causeway_wire.routes import Permission

APPLY = f"{peers.PERMISSION_URN}apply"


def named(*controllers: str) -> tuple[str, ...]:
    return (*(peers.CONTROLLER_URN + name for name in controllers), APPLY)


def test_a_controller_is_known_by_its_name_and_permission() -> None:
    peer = peers.of_names(named("site-2.example"))
    assert (peer.name, peer.permission) == ("site-2.example", Permission.APPLY)


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "\t",
        "c1 ",
        "c1\n",
        "c1\0",
        "c1\x1b[2J",
        "c1\u202e",
        "C1",
        "c" * 64,
        "../c1",
        "c1/c2",
        "local",
    ],
)
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(ProblemError) as refused:
        peers.of_names(named(name))
    assert refused.value.problem.type == ProblemType.FORBIDDEN.urn


@pytest.mark.parametrize("names", [(), ("c1", "c2"), ("c1", "c1"), ("c1", "")])
def test_one_controller_is_named_neither_none_nor_several(names: tuple[str, ...]) -> None:
    with pytest.raises(ProblemError) as refused:
        peers.of_names(named(*names))
    assert refused.value.problem.type == ProblemType.FORBIDDEN.urn
