"""The steps of a build, in order."""

from __future__ import annotations

from image import disk, rootfs, wheelhouse
from image.workshop import Workshop

DISK = "causeway.raw"


def build(shop: Workshop) -> None:
    """Everything, from nothing to `dist`."""
    make_tree(shop)
    make_disk(shop)


def make_tree(shop: Workshop) -> None:
    """Wheels, then the tree of the root file system, as a tar."""
    with shop.step("wheels") as step:
        house = shop.fresh("wheelhouse")
        wheelhouse.fill(step, commit=shop.inputs.commit, work=shop.fresh("source"), house=house)
    with shop.step("rootfs") as step:
        rootfs.make(step, house=house, cache=shop.build / "cache", tar=shop.build / "rootfs.tar")


def make_disk(shop: Workshop) -> None:
    """The raw disk, from that tar."""
    with shop.step("tree") as step:
        tree = shop.fresh("tree")
        rootfs.unpack(step, tar=shop.build / "rootfs.tar", tree=tree)
    with shop.step("disk") as step:
        disk.assemble(step, tree=tree, work=shop.fresh("disk"), disk=shop.build / DISK)


def lock(shop: Workshop) -> None:
    """Record the newest wheels that the pyproject files and constraints.txt allow."""
    with shop.step("lock") as step:
        wheelhouse.lock(step, work=shop.fresh("lock"))
