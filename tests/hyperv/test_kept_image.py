"""The image that a Hyper-V host keeps: not half a copy, and none that cannot be let go of."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from causeway_controller.hypervisors.base import HypervisorError
from tests.conformance import kept
from tests.conformance.kinds import OWNER, HypervKind

pytestmark = [pytest.mark.conformance, pytest.mark.timeout(60)]

OTHER = "acme-other"


async def test_a_host_that_cannot_copy_is_sent_each_disk(hyperv: HypervKind) -> None:
    had, size = hyperv.there(), hyperv.image.stat().st_size
    hyperv.host.windows.no_copies = True
    for owner in (OWNER, OTHER):
        assert await kept.deployed(hyperv, owner) > size
        assert kept.disk(hyperv, owner) == hyperv.image.read_bytes()
    assert kept.images(hyperv) == []
    assert list(kept.place(hyperv).rglob("image.vhdx")) == []
    await kept.removed(hyperv, OWNER, OTHER)
    assert hyperv.there() == had


async def test_a_copy_that_the_host_refuses_is_told_and_nothing_is_left_of_it(hyperv: HypervKind) -> None:
    await kept.deployed(hyperv, OWNER)
    had = hyperv.there()
    hyperv.host.windows.no_copies = True
    with pytest.raises(HypervisorError, match="Copy-Item: There is not enough space"):
        await kept.deployed(hyperv, OTHER)
    assert hyperv.there() == had


def first_copy(hyperv: HypervKind, happens: Callable[[], object]) -> None:
    """Have this happen before the host copies something for the first time from now on."""
    copies: list[str] = []

    def act(name: str) -> None:
        if name == "Copy-Item" and not copies:
            copies.append(name)
            happens()

    hyperv.host.windows.before = act


async def test_an_image_that_goes_before_it_is_copied_is_missed_by_nobody(hyperv: HypervKind) -> None:
    await kept.deployed(hyperv, OWNER)
    first_copy(hyperv, kept.image(hyperv).unlink)
    assert await kept.deployed(hyperv, OTHER) > hyperv.image.stat().st_size
    assert kept.disk(hyperv, OTHER) == hyperv.image.read_bytes()
    assert kept.image(hyperv).read_bytes() == hyperv.image.read_bytes()
    await kept.removed(hyperv, OTHER)
