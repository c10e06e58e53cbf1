"""What the image is made of: bill of materials (CycloneDX 1.5 JSON) and the build's manifest. No effects."""

from __future__ import annotations

import email
import json
import re
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote

from image.flavour import STABLE, Flavour

_NAMESPACE = uuid.UUID("5c0a7e6a-0d15-4d8e-9c4f-0000000000ff")


@dataclass(frozen=True, slots=True, order=True, kw_only=True)
class File:
    """A file of the image."""

    path: str
    """Without the leading slash; the ESP's begin with `efi/`."""
    sha256: str


@dataclass(frozen=True, slots=True, order=True, kw_only=True)
class Component:
    """One package, named by a package URL (purl)."""

    kind: str
    """Type of its package URL: `deb`, `pypi` or `generic`."""
    name: str
    version: str
    architecture: str = ""
    source: str = ""
    """Debian's source package, where it has another name."""
    licence: str = ""
    """In the words of whoever packed it."""
    sha256: str = ""
    """Of the wheel."""
    files: tuple[File, ...] = ()
    """What of it is in the image."""
    embedded: tuple[str, ...] = ()
    """What it brings along itself: CycloneDX components, as JSON."""

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
            Component(kind="pypi", name=python_name(one["Name"]), version=one["Version"]) for one in parsed
        )
    )


def python_name(name: str) -> str:
    """The one form of a distribution's name (packaging specifications, name normalisation)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def bill(components: Iterable[Component], *, name: str, version: str, epoch: int) -> str:
    """The bill of materials; equal components give equal bytes, its serial number included."""
    listed = sorted(set(components))
    body = [_described(each) for each in listed]
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


def _described(component: Component) -> dict[str, object]:
    """A component in CycloneDX: its files, and what it brings along, are components of it."""
    parts = [_file(component, each) for each in component.files]
    parts += [json.loads(each) for each in component.embedded]
    said: dict[str, object] = {
        "type": "library",
        "bom-ref": component.purl,
        "name": component.name,
        "version": component.version,
        "purl": component.purl,
    }
    if component.licence:
        said["licenses"] = [{"license": {"name": component.licence}}]
    if component.sha256:
        said["hashes"] = [{"alg": "SHA-256", "content": component.sha256}]
    if component.source:
        said["properties"] = [{"name": "debian:source", "value": component.source}]
    if parts:
        said["components"] = parts
    return said


def _file(component: Component, file: File) -> dict[str, object]:
    return {
        "type": "file",
        "bom-ref": f"{component.purl}#{quote(file.path)}",
        "name": f"/{file.path}",
        "hashes": [{"alg": "SHA-256", "content": file.sha256}],
    }


def manifest(
    components: Iterable[Component],
    *,
    flavour: Flavour = STABLE,
    version: str,
    commit: str,
    modified: bool,
    epoch: int,
    files: Mapping[str, str],
) -> str:
    """What was built from what: file digests and package versions. It holds nothing of the builder."""
    listed = sorted(set(components))
    document = {
        **({"flavour": flavour.name} if flavour.apart else {}),
        "version": version,
        "commit": commit,
        "modified": modified,
        "source_date_epoch": epoch,
        "files": dict(sorted(files.items())),
        "debian": {each.name: each.version for each in listed if each.kind == "deb"},
        "python": {each.name: each.version for each in listed if each.kind == "pypi"},
    }
    return json.dumps(document, indent=1) + "\n"
