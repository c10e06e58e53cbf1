"""What the image is made of: bill of materials (CycloneDX 1.5 JSON) and the build's manifest. No effects."""

from __future__ import annotations

import email
import json
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote

_NAMESPACE = uuid.UUID("5c0a7e6a-0d15-4d8e-9c4f-0000000000ff")


@dataclass(frozen=True, slots=True, order=True, kw_only=True)
class Component:
    """One package, named by a package URL (purl)."""

    kind: str
    """`deb` or `pypi`."""
    name: str
    version: str
    architecture: str = ""
    source: str = ""
    """Debian's source package, where it has another name."""

    @property
    def purl(self) -> str:
        version = quote(self.version, safe="~.")
        if self.kind == "deb":
            return f"pkg:deb/debian/{quote(self.name, safe='')}@{version}?arch={self.architecture}"
        return f"pkg:{self.kind}/{self.name}@{version}"


def debian_components(status: str) -> tuple[Component, ...]:
    """The installed packages in a dpkg status file, or any paragraphs of that form without a `Status`."""
    found = set()
    for paragraph in status.split("\n\n"):
        fields = email.message_from_string(paragraph.strip())
        if fields["Package"] and fields.get("Status", "ok installed").endswith("ok installed"):
            source = (fields["Source"] or "").partition(" ")[0]
            found.add(
                Component(
                    kind="deb",
                    name=fields["Package"],
                    version=fields["Version"],
                    architecture=fields["Architecture"],
                    source=source,
                )
            )
    return tuple(sorted(found))


def python_components(metadata: Iterable[str]) -> tuple[Component, ...]:
    """The distributions that these METADATA files describe."""
    parsed = [email.message_from_string(text) for text in metadata]
    return tuple(
        sorted(
            Component(kind="pypi", name=one["Name"].lower().replace("_", "-"), version=one["Version"])
            for one in parsed
        )
    )


def bill(components: Iterable[Component], *, name: str, version: str, epoch: int) -> str:
    """The bill of materials; equal components give equal bytes, its serial number included."""
    listed = sorted(set(components))
    body = [
        {
            "type": "library",
            "bom-ref": each.purl,
            "name": each.name,
            "version": each.version,
            "purl": each.purl,
            **({"properties": [{"name": "debian:source", "value": each.source}]} if each.source else {}),
        }
        for each in listed
    ]
    serial = uuid.uuid5(_NAMESPACE, json.dumps([version, epoch, body], sort_keys=True))
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": serial.urn,
        "version": 1,
        "metadata": {
            "timestamp": datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": {"type": "operating-system", "bom-ref": name, "name": name, "version": version},
        },
        "components": body,
    }
    return json.dumps(document, indent=1) + "\n"


def manifest(
    components: Iterable[Component],
    *,
    version: str,
    commit: str,
    modified: bool,
    epoch: int,
    files: Mapping[str, str],
) -> str:
    """What was built from what: file digests and package versions. It holds nothing of the builder."""
    listed = sorted(set(components))
    document = {
        "version": version,
        "commit": commit,
        "modified": modified,
        "source_date_epoch": epoch,
        "files": dict(sorted(files.items())),
        "debian": {each.name: each.version for each in listed if each.kind == "deb"},
        "python": {each.name: each.version for each in listed if each.kind == "pypi"},
    }
    return json.dumps(document, indent=1) + "\n"
