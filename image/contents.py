"""What is in the image and where it came from: every file has an owner, every component has files.

Read from the finished trees, not from what was asked for: a package whose files the diet took away is not in
the image, and a file that nobody brought ends the build.
"""

from __future__ import annotations

import email
import fnmatch
import hashlib
import json
import re
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from image import materials
from image.materials import Component, File

OURS = "causeway-image"
"""The component of what the build itself writes."""
BOOT_LICENCES = {
    "shim-signed": "BSD-2-Clause",
    "systemd-boot-efi-amd64-signed": "LGPL-2.1-or-later",
}
"""Of packages that are not installed: their copyright files are not there to be read."""
GENERATED = (
    # the initramfs; its libraries are those of the tree
    ("initramfs/init", OURS),
    ("initramfs/modules/chains", OURS),
    ("initramfs/bin/dmsetup", "dmsetup"),
    ("initramfs/bin/*", "klibc-utils"),
    ("initramfs/usr/lib/klibc-*.so", "libklibc"),
    ("initramfs/*/libdevmapper.so.*", "libdevmapper1.02.1"),
    ("efi/EFI/BOOT/BOOTX64.EFI", "shim-signed"),
    ("efi/EFI/BOOT/grubx64.efi", "systemd-boot-efi-amd64-signed"),
    ("efi/ldlinux.*", "syslinux"),
    ("efi/*", OURS),
    # accounts, names, and what says that nothing is to be brought up to date
    ("etc/*passwd", OURS),
    ("etc/*group", OURS),
    ("etc/*shadow", OURS),
    ("etc/sub?id", OURS),
    ("etc/host*", OURS),
    ("etc/machine-id", OURS),
    ("etc/locale.conf", OURS),
    ("etc/fstab", OURS),
    ("etc/.updated", OURS),
    ("etc/ld.so.cache", OURS),
    ("etc/systemd/system/state.mount", OURS),
    ("etc/dpkg/dpkg.cfg.d/60-causeway", OURS),
    ("usr/share/causeway/*", OURS),
    # the agent's environment
    ("opt/causeway/.gitignore", OURS),
    ("opt/causeway/pyvenv.cfg", OURS),
    ("opt/causeway/bin/causeway-agent", "causeway-agent"),
    ("opt/causeway/*/causeway_agent/compiled.bin", OURS),
    # copied or put together by maintainer scripts
    ("etc/nsswitch.conf", "base-files"),
    ("etc/profile", "base-files"),
    ("etc/networks", "base-files"),
    ("etc/environment", "base-files"),
    ("etc/shells", "debianutils"),
    ("etc/inputrc", "readline-common"),
    ("etc/modules", "kmod"),
    ("etc/pam.d/common-*", "libpam-runtime"),
    ("etc/security/opasswd", "libpam-modules"),
    ("etc/python3/debian_config", "python3-minimal"),
    ("etc/ssh/sshd_config", "openssh-server"),
)
"""What maintainer scripts and the build write, and whose it is."""
INITRAMFS = "initramfs/"
"""Before the paths of what is in the initramfs."""
LICENCES = "usr/share/causeway/licences"
"""Copyright files of packages that are in the initramfs only."""
PACKAGES = "usr/share/causeway/packages"
"""dpkg's status file, of the packages that the tree was made of."""
DOCUMENTS = "usr/share/doc/"
_MERGED = re.compile(r"^(bin|sbin|lib|lib64)/")
_BYTECODE = re.compile(r"(?:__pycache__/([^/]+)\.cpython-\d+|([^/]+))\.pyc$")
_KERNEL = re.compile(r"boot/vmlinuz-|usr/lib/modules/[^/]+/vmlinuz$")
"""Newer packages of kernels have it beside its modules."""
_SITE = "opt/causeway/lib/python3*/site-packages"
_SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Origins:
    """Where files come from. Paths are relative to the tree; the ESP's begin with `efi/`, the initramfs' with
    `initramfs/`.
    """

    owners: Mapping[str, str]
    """Name of the component, by path."""
    generated: tuple[tuple[str, str], ...]
    """Patterns (fnmatch(3)) of what maintainer scripts and the build write, and whose it is."""

    def of(self, path: str) -> str | None:
        """The component that this file came from; None when it is nobody's."""
        source = _BYTECODE.sub(r"\1\2.py", path)
        known = self.owners.get(path) or self.owners.get(source)
        known = known or next((owner for like, owner in self.generated if fnmatch.fnmatch(path, like)), None)
        if known is None and path.startswith(INITRAMFS):
            return self.owners.get(_MERGED.sub(r"usr/\1/", path.removeprefix(INITRAMFS)))
        return known


def packages(text: str) -> dict[str, str]:
    """Owners by path, from lines of a file's name in dpkg's database, a tab, and a path (`*.list`)."""
    found = {}
    for line in text.splitlines():
        name, _, path = line.partition("\t")
        package = name.removeprefix("./").removesuffix(".list").partition(":")[0]
        found[_MERGED.sub(r"usr/\1/", path.removeprefix("/"))] = package
    return found


def wheels(house: Path, site: str) -> dict[str, str]:
    """Owners by path, of what is in the wheels in this directory; `site`: where they were unpacked."""
    found = {}
    for wheel in sorted(house.glob("*.whl")):
        name = materials.python_name(wheel.name.partition("-")[0])
        with zipfile.ZipFile(wheel) as archive:
            for path in archive.namelist():
                found[f"{site}/{path}"] = name
                if ".dist-info/" in path:
                    # pip adds files of its own there.
                    directory = f"{site}/{path.partition('/')[0]}"
                    found |= {
                        f"{directory}/{own}": name for own in ("INSTALLER", "REQUESTED", "direct_url.json")
                    }
    return found


def elements(directory: Path) -> dict[str, str]:
    """Owners by path, of the files that the build's elements put into the tree as they are."""
    static = (path for path in directory.glob("*/static/**/*") if path.is_file())
    return {str(path.relative_to(directory)).partition("/static/")[2]: OURS for path in static}


def digests(trees: Iterable[tuple[str, Path]]) -> Iterator[File]:
    """Every regular file below these trees, each given with the prefix of its paths."""
    for prefix, tree in trees:
        for path in sorted(tree.rglob("*")):
            if path.is_file() and not path.is_symlink():
                with path.open("rb") as file:
                    digest = hashlib.file_digest(file, "sha256").hexdigest()
                yield File(path=f"{prefix}{path.relative_to(tree)}", sha256=digest)


def assign(components: Iterable[Component], files: Iterable[File], origins: Origins) -> tuple[Component, ...]:
    """The components that are there, each with its files and licence known.

    Raises ValueError for a file that is nobody's, one whose owner is no component, and for a component
    without a licence. A component of which at most its licence is left is not there.
    """
    by_name = {each.name: each for each in components}
    found: dict[str, list[File]] = defaultdict(list)
    lost = []
    for file in files:
        owner = origins.of(file.path)
        if owner in by_name:
            found[owner].append(file)
        else:
            lost.append(f"{file.path} ({owner or 'nobody'})")
    if lost:
        raise ValueError(f"{len(lost)} files came from no component: {', '.join(lost[:_SHOWN])}")
    there = tuple(
        replace(by_name[name], files=tuple(sorted(own)))
        for name, own in sorted(found.items())
        if not all(file.path.startswith(DOCUMENTS) for file in own)
    )
    if bare := [each.name for each in there if not each.licence]:
        raise ValueError(f"no licence is known of {', '.join(bare)}")
    return there


def debian_licence(tree: Path, package: str) -> str:
    """The short names in a copyright file (DEP-5, `License`), else where it is; empty without one."""
    places = (tree / DOCUMENTS / package / "copyright", tree / LICENCES / package)
    path = next((place for place in places if place.exists()), None)
    if path is None:
        return ""
    names = re.findall(r"^License:[ \t]*(\S[^\n]*)$", path.read_text(errors="replace"), re.MULTILINE)
    return " AND ".join(sorted({name.strip() for name in names})) or f"see /{path.relative_to(tree)}"


def python_licence(metadata: str) -> str:
    """The licence in a distribution's METADATA: `License-Expression`, or the older `License`."""
    fields = email.message_from_string(metadata)
    return str(fields["License-Expression"] or fields["License"] or "").strip()


def embedded(directory: Path) -> tuple[str, ...]:
    """What a wheel says to have in it (PEP 770: `sboms` of its dist-info): CycloneDX components, as JSON."""
    documents = [json.loads(path.read_text()) for path in directory.glob("sboms/*.json")]
    components = [each for document in documents for each in document.get("components", ())]
    # References are of that document.
    for each in components:
        each.pop("bom-ref", None)
    return tuple(sorted({json.dumps(each, sort_keys=True) for each in components}))


def python_components(tree: Path, house: Path) -> Iterator[Component]:
    """The distributions of the agent's environment, with the digest of the wheel that each came in."""
    sums = {}
    for wheel in house.glob("*.whl"):
        with wheel.open("rb") as file:
            name = materials.python_name(wheel.name.partition("-")[0])
            sums[name] = hashlib.file_digest(file, "sha256").hexdigest()
    for path in sorted(tree.glob(f"{_SITE}/*.dist-info/METADATA")):
        text = path.read_text()
        (known,) = materials.python_components((text,))
        yield replace(
            known,
            licence=python_licence(text),
            sha256=sums.get(known.name, ""),
            embedded=embedded(path.parent),
        )


def debian_components(tree: Path, boot_packages: str) -> Iterator[Component]:
    """Debian's packages, those of the boot loaders included, which are not installed."""
    status = (tree / PACKAGES).read_text()
    found = materials.debian_components(f"{status}\n{boot_packages}")
    known = {each.name: BOOT_LICENCES.get(each.name) or debian_licence(tree, each.name) for each in found}
    # A package may have its copyright file in another of the same source.
    of_source = {each.source or each.name: known[each.name] for each in found if known[each.name]}
    for each in found:
        yield replace(each, licence=known[each.name] or of_source.get(each.source, ""))


def origins(*, owners: str, wheelhouse: Path, tree: Path, static: Path) -> Origins:
    """Where the files of this tree, and of the ESP made from it, came from."""
    known = packages(owners)
    (site,) = tree.glob(_SITE)
    kernel = next(owner for path, owner in known.items() if _KERNEL.match(path))
    # Where its modules are in a package of their own, those in the initramfs came from that one.
    modules = next((owner for path, owner in known.items() if path.endswith((".ko.xz", ".ko"))), kernel)
    unpacked = {path.removesuffix(".xz"): owner for path, owner in known.items() if path.endswith(".ko.xz")}
    return Origins(
        owners={**elements(static), **unpacked, **known, **wheels(wheelhouse, str(site.relative_to(tree)))},
        generated=(
            ("efi/causeway/a/linux", kernel),
            ("usr/lib/modules/*/modules.*", kernel),
            ("initramfs/modules/*.ko", modules),
            *GENERATED,
        ),
    )
