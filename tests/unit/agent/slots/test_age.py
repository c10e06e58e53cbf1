"""The order of versions is PEP 440's, as its reference implementation has it."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st
from packaging.version import Version

from causeway_agent.slots import age

SEPARATORS = st.sampled_from(["", ".", "-", "_"])
NUMBERS = st.sampled_from(["", "0", "1", "2", "10"])
"""None is 0."""


@st.composite
def versions(draw: st.DrawFn) -> str:
    """Any of PEP 440's forms, alternative spellings included."""

    def part(*words: str) -> str:
        return draw(SEPARATORS) + draw(st.sampled_from(words)) + draw(SEPARATORS) + draw(NUMBERS)

    text = draw(st.sampled_from(["", "v", "1!"]))
    text += ".".join(str(number) for number in draw(st.lists(st.integers(0, 2), min_size=1, max_size=3)))
    if draw(st.booleans()):
        text += part("a", "alpha", "B", "beta", "c", "rc", "pre", "preview")
    if draw(st.booleans()):
        text += draw(st.sampled_from(["-1", "-10", part("post", "REV", "r")]))
    if draw(st.booleans()):
        text += draw(SEPARATORS) + "dev" + draw(NUMBERS)
    if draw(st.booleans()):
        text += "+" + draw(st.sampled_from(["1", "2", "10", "a", "a.1", "1.a", "B-2"]))
    return text


@given(versions(), versions())
@example("1.0", "1.0.0")
@example("1.0.dev1", "1.0a1.dev1")
@example("1.0.post1.dev1", "1.0")
@example("1.0+local", "1.0")
def test_versions_are_ordered_as_pep_440_says(left: str, right: str) -> None:
    ours = (age.rank(left) < age.rank(right), age.rank(left) == age.rank(right))
    assert ours == (Version(left) < Version(right), Version(left) == Version(right))


@given(versions())
def test_what_is_no_version_is_before_all(text: str) -> None:
    for other in ("", "nightly", "1.2.x", f"{text}!", f"{text}+", "\u0661.0"):
        assert age.rank(other) < age.rank(text)
