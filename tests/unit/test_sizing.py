"""The page on sizes says what the inventory takes, what hosts give to appliances, and what was measured."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from causeway_controller.contract.inventory import Inventory
from causeway_controller.hypervisors import sizes
from causeway_controller.hypervisors.libvirt.domain import Hardware
from causeway_wire import limits
from image import ovf

REFERENCE = Path(__file__).resolve().parents[2] / "docs/reference"
PAGE = (REFERENCE / "sizing.md").read_text()


def row(start: str) -> list[str]:
    (found,) = (line for line in PAGE.splitlines() if line.startswith(f"| {start} |"))
    return [cell.strip() for cell in found.strip("|").split("|")]


def test_what_an_inventory_may_have_is_as_the_page_says() -> None:
    told = dict(re.findall(r"^\| `(/[^`]+)` \| (\d+) \|$", PAGE, re.MULTILINE))
    known = limits.lists(Inventory)
    assert len(told) > 10
    assert {name: int(most) for name, most in told.items()} == {name: known[name] for name in told}


def test_what_an_appliance_gets_is_as_the_page_says() -> None:
    told = row("appliance, any role")
    ova = ovf.Appliance(name="a", version="1", disk="a.vmdk", disk_octets=1, capacity=1)
    assert (told[1], told[2].split()[0]) == (str(sizes.PROCESSORS), str(sizes.MEBIBYTES))
    for given in (Hardware(), ova):
        assert (given.processors, given.mebibytes) == (sizes.PROCESSORS, sizes.MEBIBYTES)


@pytest.mark.parametrize(
    ("said", "measured"),
    [
        ("1,000, applied in 0.49 s at the provider", "| 1,000 VMs, provider appliance | 0.49 |"),
        ("0.87 s at the tenant", "| 1,000 VMs, tenant appliance | 0.87 |"),
        ("40, applied in 1.00 s", "| 1, 10, 40 networks, provider appliance | 0.06, 0.27, 1.00 |"),
        ("with 4.9 % of a core", "4.9 % (4.7 to 6.6)"),
        ("1,000 in 12 s with SQLite, 18 s with PostgreSQL", "11.9 (11.6 to 12.3)"),
        ("takes 99 MiB", "(target 120) | 124, 114, 99 |"),
    ],
)
def test_a_figure_is_that_of_the_measurements(said: str, measured: str) -> None:
    assert said in PAGE
    assert measured in (REFERENCE / "measurements.md").read_text()
