"""Entity tags: what a caller has, or believes that it replaces (RFC 9110, 13.1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from causeway_controller.contract import routes

ANY: Final = "*"


def strong(text: str) -> str:
    """Return the strong entity tag of what this text says all of."""
    return f'"{text}"'


def has(headers: Mapping[str, str], tag: str) -> bool:
    """Return whether the caller has what this tag is of (`If-None-Match`): compared weakly."""
    held = [each.removeprefix("W/") for each in _tags(headers.get(routes.IF_NONE_MATCH, ""))]
    return tag in held or ANY in held


def names(match: str, tag: str) -> bool:
    """Return whether the caller means what this tag is of (`If-Match`): compared strongly."""
    tags = _tags(match)
    return ANY in tags or tag in tags


def _tags(text: str) -> list[str]:
    return [tag.strip() for tag in text.split(",")]
