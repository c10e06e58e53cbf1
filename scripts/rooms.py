"""The rooms of each package, from the contracts that hold them and from what the rooms say of themselves.

python scripts/rooms.py ARCHITECTURE.md            write the tables anew between their marks
python scripts/rooms.py --check ARCHITECTURE.md    exit code 1 when they are not what they should be
"""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MARKS = re.compile(r"(<!-- rooms of (?P<package>[\w.]+) -->\n).*?(<!-- end of rooms -->)", re.DOTALL)


def contracts() -> dict[str, list[list[str]]]:
    """Layers of every package whose rooms a contract orders, the highest first."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    return {
        package: [[room.strip() for room in layer.split("|")] for layer in contract["layers"]]
        for contract in settings
        if contract["type"] == "layers"
        for package in contract.get("containers", [])
    }


def about(package: str, room: str) -> str:
    """The first sentence of the room's docstring."""
    top, *inner = package.split(".")
    place = ROOT / top.removeprefix("causeway_") / "src" / Path(top, *inner, room)
    source = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
    said = ast.get_docstring(ast.parse(source.read_text())) or ""
    return re.split(r"(?<=\.)\s", " ".join(said.split("\n\n")[0].split()))[0].rstrip(".").replace("|", "\\|")


def table(package: str, layers: list[list[str]]) -> Iterator[str]:
    """One row for each room; rooms of one layer stand together and never import each other."""
    yield "| layer | room | what it is |"
    yield "| --- | --- | --- |"
    for number, rooms in enumerate(layers, 1):
        for room in rooms:
            yield f"| {number} | `{room}` | {about(package, room)} |"


def rewritten(text: str) -> str:
    """The page with every table as it should be. Raises KeyError for a package that no contract orders."""
    known = contracts()

    def fill(mark: re.Match[str]) -> str:
        package = mark["package"]
        return mark[1] + "\n".join(table(package, known[package])) + "\n" + mark[3]

    return MARKS.sub(fill, text)


def main() -> int:
    """The command line."""
    checking = "--check" in sys.argv
    page = Path(sys.argv[-1])
    before = page.read_text()
    after = rewritten(before)
    if not checking:
        page.write_text(after)
    elif before != after:
        sys.stderr.write(f"{page}: its tables of rooms are not what the contracts say: make rooms\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
