"""Every file has an owner, every component has files, a licence, and what it brings along."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path

import pytest

from image import contents, materials
from image.contents import Origins
from image.materials import Component, File

OWNERS = (
    "./bash.list\t/.\n./bash.list\t/bin/bash\n./libc6:amd64.list\t/lib/x86_64-linux-gnu/libc.so.6\n"
    "./gone.list\t/usr/bin/gone\n./gone.list\t/usr/share/doc/gone/copyright\n./kernel.list\t/boot/vmlinuz-6\n"
)
SITE = "opt/causeway/lib/python3.13/site-packages"


def component(name: str, licence: str = "MIT") -> Component:
    return Component(kind="deb", name=name, version="1", architecture="amd64", licence=licence)


def file(path: str) -> File:
    return File(path=path, sha256="00")


def origins(**owners: str) -> Origins:
    return Origins(owners={"usr/bin/a": "a", "usr/share/doc/a/copyright": "a", **owners}, generated=())


def test_packages_own_their_files_where_merged_directories_put_them() -> None:
    found = contents.packages(OWNERS)
    assert found["usr/bin/bash"] == "bash"
    assert found["usr/lib/x86_64-linux-gnu/libc.so.6"] == "libc6"


def test_a_wheels_files_are_its_distributions_and_so_is_what_pip_adds(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "some_thing-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("some/thing.py", "")
        wheel.writestr("some_thing-1.0.dist-info/METADATA", "")
    found = contents.wheels(tmp_path, SITE)
    assert found[f"{SITE}/some/thing.py"] == "some-thing"
    assert found[f"{SITE}/some_thing-1.0.dist-info/INSTALLER"] == "some-thing"


def test_bytecode_is_whose_the_source_is() -> None:
    known = origins(**{"usr/lib/python3.13/json/decoder.py": "a"})
    assert known.of("usr/lib/python3.13/json/__pycache__/decoder.cpython-313.pyc") == "a"
    assert known.of("usr/lib/python3.13/json/__pycache__/other.cpython-313.pyc") is None
    assert known.of("usr/lib/python3.13/json/decoder.pyc") == "a"  # in place of its source
    assert known.of("usr/lib/python3.13/json/other.pyc") is None


def test_what_is_in_the_initramfs_is_named() -> None:
    known = Origins(owners={"usr/lib/x86_64-linux-gnu/libc.so.6": "libc6"}, generated=contents.GENERATED)
    assert known.of("initramfs/bin/dmsetup") == "dmsetup"
    assert known.of("initramfs/bin/sh") == "klibc-utils"
    assert known.of("initramfs/usr/lib/klibc-abc.so") == "libklibc"
    assert known.of("initramfs/lib/x86_64-linux-gnu/libc.so.6") == "libc6"
    assert known.of("initramfs/init") == contents.OURS
    assert known.of("initramfs/stray") is None


def test_a_licence_may_be_where_the_package_is_no_more(tmp_path: Path) -> None:
    assert contents.debian_licence(tmp_path, "dmsetup") == ""
    place = tmp_path / contents.LICENCES / "dmsetup"
    place.parent.mkdir(parents=True)
    place.write_text("License: GPL-2\n")
    assert contents.debian_licence(tmp_path, "dmsetup") == "GPL-2"


def test_a_file_that_nobody_owns_ends_the_build() -> None:
    with pytest.raises(ValueError, match=r"usr/bin/stray \(nobody\)"):
        contents.assign([component("a")], [file("usr/bin/a"), file("usr/bin/stray")], origins())


def test_a_file_of_a_package_that_is_not_installed_ends_the_build() -> None:
    with pytest.raises(ValueError, match=r"usr/bin/b \(b\)"):
        contents.assign([component("a")], [file("usr/bin/b")], origins(**{"usr/bin/b": "b"}))


@pytest.mark.parametrize("left", [[], ["usr/share/doc/b/copyright"]])
def test_a_component_without_files_is_not_there(left: list[str]) -> None:
    known = origins(**{"usr/share/doc/b/copyright": "b"})
    files = [file(path) for path in ("usr/bin/a", *left)]
    found = contents.assign([component("a"), component("b")], files, known)
    assert [(each.name, each.files) for each in found] == [("a", (file("usr/bin/a"),))]


def test_a_component_without_a_licence_ends_the_build() -> None:
    with pytest.raises(ValueError, match="no licence is known of a"):
        contents.assign([component("a", licence="")], [file("usr/bin/a")], origins())


def test_licences_are_read_from_copyright_files_and_metadata(tmp_path: Path) -> None:
    for name, text in (("a", "License: GPL-2+\n text\n\nFiles: x\nLicense: MIT\n"), ("b", "This is free.\n")):
        (tmp_path / contents.DOCUMENTS / name).mkdir(parents=True)
        (tmp_path / contents.DOCUMENTS / name / "copyright").write_text(text)
    assert contents.debian_licence(tmp_path, "a") == "GPL-2+ AND MIT"
    assert contents.debian_licence(tmp_path, "b") == "see /usr/share/doc/b/copyright"
    assert contents.debian_licence(tmp_path, "c") == ""
    assert contents.python_licence("Name: a\nLicense-Expression: MIT\nLicense: other\n\ntext") == "MIT"
    assert contents.python_licence("Name: a\nLicense: PSF-2.0\n") == "PSF-2.0"


def test_a_package_without_a_copyright_file_has_that_of_its_source(tmp_path: Path) -> None:
    (tmp_path / "usr/share/causeway").mkdir(parents=True)
    status = "Package: {}\nVersion: 1\nArchitecture: amd64\nSource: gcc\n\n"
    (tmp_path / "usr/share/causeway/packages").write_text(status.format("libgcc") + status.format("gcc-base"))
    (tmp_path / contents.DOCUMENTS / "gcc-base").mkdir(parents=True)
    (tmp_path / contents.DOCUMENTS / "gcc-base/copyright").write_text("License: GPL-3+\n")
    boot = "Package: shim-signed\nVersion: 1\nArchitecture: amd64\n"
    found = {each.name: each.licence for each in contents.debian_components(tmp_path, boot)}
    assert found == {"libgcc": "GPL-3+", "gcc-base": "GPL-3+", "shim-signed": "BSD-2-Clause"}


def test_what_a_wheel_has_in_it_is_told_with_its_digest_and_files(tmp_path: Path) -> None:
    """As cryptography tells of its OpenSSL (PEP 770)."""
    info = tmp_path / "tree" / SITE / "crypto-1.0.dist-info"
    (info / "sboms").mkdir(parents=True)
    (info / "METADATA").write_text("Name: Crypto\nVersion: 1.0\nLicense-Expression: Apache-2.0\n")
    inside = {"bom-ref": "x", "type": "library", "name": "openssl", "version": "4.0.3"}
    (info / "sboms/sbom.json").write_text(json.dumps({"bomFormat": "CycloneDX", "components": [inside]}))
    house = tmp_path / "house"
    house.mkdir()
    (house / "crypto-1.0-py3-none-any.whl").write_bytes(b"wheel")
    (found,) = contents.python_components(tmp_path / "tree", house)
    assert (found.licence, found.sha256) == ("Apache-2.0", hashlib.sha256(b"wheel").hexdigest())
    files = tuple(contents.digests([("", tmp_path / "tree")]))
    (whole,) = contents.assign([found], files, Origins(owners={}, generated=(("*", "crypto"),)))
    told = json.loads(materials.bill([whole], name="causeway", version="1", epoch=1))["components"][0]
    assert told["licenses"] == [{"license": {"name": "Apache-2.0"}}]
    assert told["hashes"] == [{"alg": "SHA-256", "content": found.sha256}]
    parts = {each["name"]: each for each in told["components"]}
    assert parts["openssl"] == {"type": "library", "name": "openssl", "version": "4.0.3"}
    path = f"{SITE}/crypto-1.0.dist-info/METADATA"
    assert (
        parts[f"/{path}"]["hashes"][0]["content"]
        == hashlib.sha256((tmp_path / "tree" / path).read_bytes()).hexdigest()
    )


def test_what_the_elements_put_there_is_ours(tmp_path: Path) -> None:
    (tmp_path / "some/static/etc").mkdir(parents=True)
    (tmp_path / "some/static/etc/issue").write_text("")
    assert contents.elements(tmp_path) == {"etc/issue": contents.OURS}


def test_a_module_that_was_unpacked_is_its_packages(tmp_path: Path) -> None:
    (tmp_path / SITE).mkdir(parents=True)
    owners = OWNERS + "./modules.list\t/lib/modules/6/kernel/tun.ko.xz\n"
    known = contents.origins(owners=owners, wheelhouse=tmp_path, tree=tmp_path, static=tmp_path)
    assert known.of("usr/lib/modules/6/kernel/tun.ko") == known.of("initramfs/modules/tun.ko") == "modules"


def test_the_kernel_on_the_boot_partition_is_the_kernel_packages(tmp_path: Path) -> None:
    (tmp_path / SITE).mkdir(parents=True)
    known = contents.origins(owners=OWNERS, wheelhouse=tmp_path, tree=tmp_path, static=tmp_path)
    assert known.of("efi/causeway/a/linux") == "kernel"
    assert known.of("efi/causeway/a/initrd") == contents.OURS
    assert known.of("efi/ldlinux.sys") == "syslinux"
