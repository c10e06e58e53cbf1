"""The page that says what a 409 means knows each that a controller's API may answer with, and no other."""

from __future__ import annotations

import json
import re
from pathlib import Path

REFERENCE = Path(__file__).parents[2] / "docs/reference"
URN = "urn:causeway:problem:"


def described(name: str) -> set[str]:
    """The types of the answers 409 in this description."""
    paths = json.loads((REFERENCE / name).read_text())["paths"]
    answers = [
        json.dumps(operation["responses"].get("409", {}))
        for each in paths.values()
        for operation in each.values()
        if isinstance(operation, dict) and "responses" in operation
    ]
    return set(re.findall(rf"{URN}([a-z-]+)", " ".join(answers)))


def test_every_409_is_explained() -> None:
    page = (REFERENCE / "controller-api.md").read_text()
    rows = re.findall(
        r"^\| (`.*?) \|", page.partition("## Refused: 409")[2].partition("\n## ")[0], re.MULTILINE
    )
    explained = {name for row in rows for name in re.findall(r"`([a-z-]+)`", row)}
    found = described("controller-openapi.json") | described("tenant-openapi.json")
    assert len(found) > 5
    assert explained == found
