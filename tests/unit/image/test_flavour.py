"""Flavours: another one has names and directories of its own, and the stable one's stay what they were."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from image import export, materials
from image.flavour import FLAVOURS, OFFLOAD, STABLE, Flavour
from image.workshop import ROOT, Inputs, Workshop

INPUTS = Inputs(commit="c" * 40, epoch=1, version="1.2", modified=False)


def shop(flavour: Flavour, place: Path) -> Workshop:
    return Workshop(inputs=INPUTS, build=place, dist=flavour.dist(place), flavour=flavour)


def manifest(flavour: Flavour) -> dict[str, object]:
    told = materials.manifest(
        (), flavour=flavour, version="1.2", commit="c" * 40, modified=False, epoch=1, files={}
    )
    return dict(json.loads(told))


def test_the_stable_flavours_files_are_named_as_ever(tmp_path: Path) -> None:
    assert export.stem(shop(STABLE, tmp_path)) == "causeway-1.2"
    assert STABLE.dist(tmp_path) == tmp_path / "dist"
    assert STABLE.build(tmp_path) == tmp_path / "build/image"
    assert "flavour" not in manifest(STABLE)


@pytest.mark.parametrize("flavour", [each for each in FLAVOURS.values() if each is not STABLE])
def test_nothing_that_looks_for_the_stable_image_finds_another(tmp_path: Path, flavour: Flavour) -> None:
    made = shop(flavour, tmp_path)
    made.dist.mkdir(parents=True)
    (made.dist / f"{export.stem(made)}.qcow2").touch()
    assert not list((tmp_path / "dist").glob("causeway-*"))
    assert flavour.build(tmp_path) != STABLE.build(tmp_path)


def test_another_flavour_says_in_its_manifest_which_it_is() -> None:
    assert manifest(OFFLOAD)["flavour"] == "offload"


def test_another_flavour_is_the_stable_one_with_elements_on_top() -> None:
    assert OFFLOAD.elements[: len(STABLE.elements)] == STABLE.elements
    for element in OFFLOAD.elements:
        assert (ROOT / "image/elements" / element / "README.rst").is_file()


def test_only_the_offload_element_speaks_of_backports() -> None:
    elements = ROOT / "image/elements"
    found = {
        path.relative_to(elements).parts[0]
        for path in elements.rglob("*")
        if path.is_file() and "-backports" in path.read_text(encoding="utf-8")
    }
    assert found == {"causeway-offload"}
