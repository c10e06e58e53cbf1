"""Where packages come from."""

from __future__ import annotations

import pytest

from image import mirrors

TARGETS = """\
http://security.example/debian-security/ bookworm-security Debian
http://near.example/debian/ bookworm Debian
http://near.example/debian/ bookworm-updates Debian
http://else.example/apt/ stable Someone
"""


def test_the_host_s_own_mirrors_are_taken() -> None:
    assert mirrors.environment(TARGETS, {}) == {
        mirrors.MAIN: "http://near.example/debian",
        mirrors.SECURITY: "http://security.example/debian-security",
    }


def test_the_environment_wins() -> None:
    chosen = mirrors.environment(TARGETS, {mirrors.MAIN: "http://mine.example/debian"})
    assert chosen[mirrors.MAIN] == "http://mine.example/debian"


def test_a_host_without_a_debian_mirror_is_told_what_to_do() -> None:
    with pytest.raises(ValueError, match=mirrors.MAIN):
        mirrors.environment("http://else.example/apt/ stable Someone\n", {})
