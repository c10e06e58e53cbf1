"""The package's copyright file: our licence, then what each distribution inside says of its own.

Run by the environment that the package brings, which it reads: `python packaging/copyright.py`.
"""

from __future__ import annotations

import sys
from importlib.metadata import Distribution, distributions
from pathlib import Path

HEAD = """\
Upstream-Name: Causeway

Files: *
Copyright: The Causeway authors
License: Apache-2.0
Comment: The whole text is in /usr/share/common-licenses/Apache-2.0.
"""


def licence(one: Distribution) -> str:
    """What it says of its licence: an SPDX expression (PEP 639), or words of before."""
    told = one.metadata.json
    if expression := told.get("license_expression"):
        return str(expression)
    classified = [
        value.rpartition(" :: ")[2] for value in told.get("classifier", ()) if value.startswith("License :: ")
    ]
    return ", ".join(classified) or str(told.get("license", "see its files")).splitlines()[0]


def stanza(one: Distribution) -> str:
    """Its files, and where its own licence is."""
    name, place = one.metadata["Name"], Path(str(one.locate_file("")))
    inside = place.relative_to(place.parents[3])
    texts = sorted(
        str(path.relative_to(place))
        for path in place.glob(f"{name.replace('-', '_').lower()}-*.dist-info/**/*")
        if path.is_file() and path.stem.upper().startswith(("LICENSE", "LICENCE", "COPYING", "NOTICE"))
    )
    files = " ".join(texts) or "its metadata"
    return (
        f"Files: usr/lib/{inside}/{name}/*\nCopyright: the authors of {name} {one.version}\n"
        f"License: {licence(one)}\nComment: In that directory: {files}\n"
    )


def main() -> int:
    """Print the file."""
    others = (one for one in distributions() if not one.metadata["Name"].startswith("causeway"))
    print(HEAD)
    for one in sorted(others, key=lambda each: str(each.metadata["Name"]).lower()):
        print(stanza(one))
    return 0


if __name__ == "__main__":
    sys.exit(main())
