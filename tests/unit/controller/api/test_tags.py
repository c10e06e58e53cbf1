"""Entity tags are compared as RFC 9110 has it: weakly for who reads, strongly for who replaces."""

from __future__ import annotations

import pytest

from causeway_controller.api import tags

TAG = tags.strong("1")


@pytest.mark.parametrize(
    ("said", "reads", "replaces"),
    [
        ("", False, False),
        ('"1"', True, True),
        ('"0", "1"', True, True),
        ("*", True, True),
        ('W/"1"', True, False),
        ('"11"', False, False),
        ("1", False, False),
    ],
)
def test_tags(said: str, reads: bool, replaces: bool) -> None:  # noqa: FBT001
    assert tags.has({"If-None-Match": said}, TAG) is reads
    assert tags.names(said, TAG) is replaces
