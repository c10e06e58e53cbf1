"""What of a tree's units cannot start, and which are asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from image import units
from image.workshop import BuildError, Inputs, Workshop

INPUTS = Inputs(commit="c" * 40, epoch=1, version="1.2.3", modified=False)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for place in (units.OURS, units.DEBIANS):
        (tmp_path / place).mkdir(parents=True)
    for name in ("tools.service", "getty@.service", "sound.target"):
        (tmp_path / units.DEBIANS / name).write_text("[Unit]\n")
    (tmp_path / units.OURS / "slots@.service").write_text("[Unit]\n")
    link(tmp_path, "multi-user.target.wants/tools.service", "/usr/lib/systemd/system/tools.service")
    link(tmp_path, "alias.service", "/usr/lib/systemd/system/tools.service")
    link(tmp_path, "sound.target", "/dev/null")
    return tmp_path


def link(tree: Path, name: str, end: str, place: str = units.OURS) -> None:
    path = tree / place / name
    path.parent.mkdir(exist_ok=True)
    path.symlink_to(end)


def test_a_tree_in_order_has_no_lost_links(tree: Path) -> None:
    assert list(units.dangling(tree)) == []


@pytest.mark.parametrize("kind", ["wants", "requires", "upholds"])
@pytest.mark.parametrize("end", ["/usr/lib/systemd/system/gone.service", "../gone.service"])
@pytest.mark.parametrize("place", [units.OURS, units.DEBIANS])
def test_a_link_to_a_unit_that_was_taken_away_ends_the_build(
    tree: Path, kind: str, end: str, place: str, tmp_path: Path
) -> None:
    """So open-vm-tools lost the service that it was linked to, and never started."""
    link(tree, f"tools.service.{kind}/gone.service", end, place)
    shop = Workshop(inputs=INPUTS, build=tmp_path / "build", dist=tmp_path / "dist")
    with (
        pytest.raises(BuildError, match=rf"tools\.service\.{kind}/gone\.service"),
        shop.step("units") as step,
    ):
        units.judge(step, tree)


def test_all_but_masks_and_debians_templates_are_verified(tree: Path) -> None:
    assert units.names(tree) == ("alias.service", "slots@one.service", "tools.service")


def test_another_name_of_a_masked_unit_is_masked_too(tree: Path) -> None:
    """`runlevel1.target` is Debian's other name of `rescue.target`."""
    link(tree, "noise.target", "sound.target", units.DEBIANS)
    assert "noise.target" not in units.names(tree)
