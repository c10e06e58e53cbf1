"""The bill of materials."""

from __future__ import annotations

import json

from image import materials

STATUS = """\
Package: openssh-server
Status: install ok installed
Architecture: amd64
Source: openssh (1:10.0)
Version: 1:10.0p1-7
Description: server
 with a second line

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1

Package: shim-signed
Version: 1.47
Architecture: amd64
"""
METADATA = "Metadata-Version: 2.1\nName: Causeway_Agent\nVersion: 1.2.3\n\nText\n"


def test_installed_packages_are_found_and_removed_ones_are_not() -> None:
    found = materials.debian_components(STATUS)
    assert [(each.name, each.version, each.source) for each in found] == [
        ("openssh-server", "1:10.0p1-7", "openssh"),
        ("shim-signed", "1.47", ""),
    ]


def test_package_urls_escape_what_they_must() -> None:
    purls = [each.purl for each in materials.debian_components(STATUS)]
    assert purls[0] == "pkg:deb/debian/openssh-server@1%3A10.0p1-7?arch=amd64"
    assert materials.python_components([METADATA])[0].purl == "pkg:pypi/causeway-agent@1.2.3"


def test_the_bill_depends_on_its_components_alone() -> None:
    components = materials.debian_components(STATUS)
    bills = [
        materials.bill(order, name="causeway", version="1", epoch=86400)
        for order in (components, tuple(reversed(components)))
    ]
    assert bills[0] == bills[1]
    document = json.loads(bills[0])
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.5")
    assert document["metadata"]["timestamp"] == "1970-01-02T00:00:00Z"
    fewer = materials.bill(components[:1], name="causeway", version="1", epoch=86400)
    assert json.loads(fewer)["serialNumber"] != document["serialNumber"]


def test_the_manifest_says_what_was_built_from_what() -> None:
    components = (*materials.debian_components(STATUS), *materials.python_components([METADATA]))
    told = json.loads(
        materials.manifest(
            components, version="1", commit="c0ffee", modified=False, epoch=1, files={"b": "1", "a": "2"}
        )
    )
    assert list(told["files"]) == ["a", "b"]
    assert told["debian"]["shim-signed"] == "1.47"
    assert told["python"] == {"causeway-agent": "1.2.3"}
