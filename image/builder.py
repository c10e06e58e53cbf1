"""The steps of a build, in order, and the commands made of them."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from image import compare, contents, disk, export, gate, materials, rootfs, units, update, weights, wheelhouse
from image.workshop import BuildError, Step, Workshop

DISK = "causeway.raw"
OWNERS, ORDER = "owners", "load-order"
SYSLINUX_FILES = ("ldlinux.sys", "ldlinux.c32")
BOOT_PACKAGES = "usr/share/causeway/boot-packages"


def build(shop: Workshop) -> None:
    """Everything, from nothing to `dist`, where nothing arrives that has not passed the gate."""
    _build(shop, gated=True)


def build_ungated(shop: Workshop) -> None:
    """The same without the gate: what is in `dist` then was never booted."""
    _build(shop, gated=False)


def pack(shop: Workshop) -> None:
    """Everything after the tree, into `dist`, without the gate."""
    _pack(shop, gated=False)


def judge(shop: Workshop) -> None:
    """The gate alone, for what is in `dist`."""
    found = sorted(shop.dist.glob("causeway-*.qcow2"))
    if not found:
        raise BuildError("image: there is no image yet: make image")
    gate.judge(shop, found[-1])


def _build(shop: Workshop, *, gated: bool) -> None:
    began = time.monotonic()
    make_tree(shop)
    _pack(shop, gated=gated)
    ova = shop.dist / f"{export.stem(shop)}.ova"
    print(f"image: {ova} {ova.stat().st_size / 1e6:.1f} MB, all in {time.monotonic() - began:.0f} s")


def _pack(shop: Workshop, *, gated: bool) -> None:
    make_disk(shop)
    # Finished files wait here: the gate boots the very bytes that will ship.
    ready = replace(shop, dist=shop.fresh("ready"))
    make_files(ready)
    if gated:
        gate.judge(shop, ready.dist / f"{export.stem(shop)}.qcow2")
    else:
        print("image: not gated: nobody has booted this image; `make image-test` does")
    hand_over(ready.dist, shop.dist)
    (shop.build / "times.json").write_text(json.dumps(shop.times))


def hand_over(ready: Path, dist: Path) -> None:
    """Exchange what is in `dist` for what is ready."""
    dist.mkdir(parents=True, exist_ok=True)
    for old in dist.glob("causeway-*"):
        old.unlink()
    for path in sorted(ready.iterdir()):
        shutil.move(path, dist / path.name)


def make_tree(shop: Workshop) -> None:
    """Wheels, then the tree of the root file system, as a tar."""
    with shop.step("wheels") as step:
        house = shop.fresh("wheelhouse")
        wheelhouse.fill(step, commit=shop.inputs.commit, work=shop.fresh("source"), house=house)
    with shop.step("rootfs") as step:
        rootfs.make(
            step,
            elements=shop.elements,
            flavour=shop.flavour,
            house=house,
            cache=shop.build / "cache",
            work=shop.fresh("work"),
            tar=shop.build / "rootfs.tar",
            publisher=publisher(shop),
        )


def make_disk(shop: Workshop) -> None:
    """The raw disk, from that tar."""
    with shop.step("tree") as step:
        tree = shop.fresh("tree")
        lists = {"owners": shop.build / OWNERS, "order": shop.build / ORDER}
        rootfs.unpack(step, tar=shop.build / "rootfs.tar", tree=tree, **lists)
    with shop.step("units") as step:
        units.judge(step, tree)
    with shop.step("disk") as step:
        disk.assemble(
            step,
            tree=tree,
            work=shop.fresh("disk"),
            order=shop.build / ORDER,
            disk=shop.build / DISK,
            version=shop.inputs.version,
            commit=shop.inputs.commit,
        )


def make_files(shop: Workshop) -> None:
    """Everything in `dist`, from the raw disk and the tree."""
    dist, name = shop.dist, export.stem(shop)
    with shop.step("convert") as step:
        export.convert(step, shop, shop.build / DISK)
    with shop.step("ova") as step:
        export.make_ova(step, shop)
    with shop.step("update") as step:
        make_update(step, shop)
    with shop.step("materials") as step:
        components = components_of(step, shop)
        sbom = materials.bill(
            components, name=shop.flavour.stem, version=shop.inputs.version, epoch=shop.inputs.epoch
        )
        (dist / f"{name}.cdx.json").write_text(sbom)
        files = tuple(f"{name}.{kind}" for kind in ("cdx.json", "ova", "qcow2", "update", "vhdx.zip"))
        told = materials.manifest(
            components,
            flavour=shop.flavour,
            version=shop.inputs.version,
            commit=shop.inputs.commit,
            modified=shop.inputs.modified,
            epoch=shop.inputs.epoch,
            files={file: export.digest(dist / file) for file in files},
        )
        (dist / f"{name}.manifest.json").write_text(told)
        export.sum_up(shop, (*files, f"{name}.manifest.json"))


def publisher(shop: Workshop) -> Path | None:
    """A file with the public key that this build's systems believe; None where updates need no signature."""
    key = update.signing_key()
    if key is None:
        return None
    file = shop.build / "publisher.pem"
    file.write_bytes(update.public_key(key))
    return file


def make_update(step: Step, shop: Workshop) -> None:
    """The update file of the system in the raw disk's slot a."""
    work = shop.build / "disk"
    system = disk.system(work, version=shop.inputs.version, commit=shop.inputs.commit)
    text = (work / "esp/causeway/a/manifest.json").read_bytes()
    file = shop.dist / f"{export.stem(shop)}.update"
    update.pack(file, system=system, text=text, epoch=step.epoch, key=update.signing_key())


def components_of(step: Step, shop: Workshop) -> tuple[materials.Component, ...]:
    """What the finished trees are made of, file by file; raises ValueError where that cannot be said."""
    build, house = shop.build, shop.build / "wheelhouse"
    tree, esp = build / "tree", build / "disk/esp"
    ours = materials.Component(
        kind="generic", name=contents.OURS, version=shop.inputs.version, licence="Apache-2.0"
    )
    components = (
        ours,
        syslinux(step),
        *contents.debian_components(tree, (tree / BOOT_PACKAGES).read_text()),
        *contents.python_components(tree, house),
    )
    with tempfile.TemporaryDirectory() as name:
        loader, initramfs = Path(name, "loader"), Path(name, "initramfs")
        loader.mkdir()
        for file in SYSLINUX_FILES:
            step.run("mcopy", "-i", build / "disk/esp.img", f"::/{file}", loader / file)
        rootfs.unpack_initramfs(step, esp / "causeway/a/initrd", initramfs)
        trees = (("", tree), ("efi/", esp), ("efi/", loader), (contents.INITRAMFS, initramfs))
        files = tuple(contents.digests(trees))
    origins = contents.origins(
        owners=(build / OWNERS).read_text(), wheelhouse=house, tree=tree, static=shop.elements
    )
    return contents.assign(components, files, origins)


def syslinux(step: Step) -> materials.Component:
    """The loader for BIOS: the builder's own, put into the disk's boot record and the ESP."""
    version = step.output("dpkg-query", "--show", "--showformat=${Version}", "syslinux-common")
    return materials.Component(
        kind="deb", name="syslinux", version=version, architecture="all", licence="GPL-2.0-or-later"
    )


def sizes(shop: Workshop) -> None:
    """What weighs what in the last build, and how large the files are."""
    trees = (("efi/", shop.build / "disk/esp"), ("", shop.build / "tree"))
    print(weights.table(weights.weigh(trees)))
    print("| file | MB |\n| --- | ---: |")
    for path in sorted(shop.dist.glob("causeway-*")):
        print(f"| {path.name} | {path.stat().st_size / 1e6:.1f} |")


def reproducible(shop: Workshop) -> None:
    """Build everything twice from the same inputs and compare; ends badly when a byte differs."""
    places = [shop.build / "first", shop.build / "second"]
    # One copy for both: somebody may be writing in the checkout meanwhile.
    elements = shop.fresh("elements")
    shutil.copytree(shop.elements, elements, symlinks=True, dirs_exist_ok=True)
    shops = [replace(shop, build=place, dist=place / "dist", elements=elements, times={}) for place in places]
    for each in shops:
        build_ungated(each)
    paths = compare.differing_paths(shops[0].build / "tree", shops[1].build / "tree")
    files = compare.differing_files(shops[0].dist, shops[1].dist)
    for line in (*paths, *files):
        print(f"differs: {line}")
    if paths or files:
        raise BuildError(f"image: {len(paths)} paths and {len(files)} files differ between two builds")
    print(f"image: two builds gave the same {len(list(shops[0].dist.iterdir()))} files, byte by byte")


def lock(shop: Workshop) -> None:
    """Record the newest wheels that the pyproject files and constraints.txt allow."""
    with shop.step("lock") as step:
        wheelhouse.lock(step, work=shop.fresh("lock"))
