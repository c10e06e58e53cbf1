"""A link into a page leads to a heading that is there: at night nobody looks for the one that was renamed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
INTO: Final = re.compile(r"\]\(([^)#\s:]*\.md)?#([^)]+)\)")
HEADING: Final = re.compile(r"^#+ (.*)$", re.MULTILINE)


def anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def dead(page: Path, text: str) -> Iterator[str]:
    for file, name in INTO.findall(text):
        there = (page.parent / file).read_text() if file else text
        if name not in map(anchor, HEADING.findall(there)):
            yield f"{page.relative_to(ROOT)}: {file}#{name}"


def test_every_link_into_a_page_leads_to_a_heading() -> None:
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
    assert len(pages) > 30
    assert [each for page in pages for each in dead(page, page.read_text())] == []


def test_a_renamed_heading_is_found() -> None:
    page = ROOT / "docs/README.md"
    assert list(dead(page, "## New name\n[x](#old-name)")) == ["docs/README.md: #old-name"]
