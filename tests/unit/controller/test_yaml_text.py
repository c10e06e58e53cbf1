"""YAML as it is written in git: nothing is guessed, nothing is lost, and every place is known."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from causeway_controller import yaml_text
from causeway_controller.yaml_text import NotYamlError, read

TEXT = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x2FF, exclude_categories=["Cc"]), max_size=20)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
)
VALUES = st.recursive(
    SCALARS | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


@given(VALUES)
def test_json_is_read_as_json_says(value: Any) -> None:
    assert read(json.dumps(value, ensure_ascii=False))[0] == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("52:54:00:12:34:56", "52:54:00:12:34:56"),
        ("010", "010"),
        ("0x10", "0x10"),
        ("1_000", "1_000"),
        ("on", "on"),
        ("No", "No"),
        ("2026-11-28", "2026-11-28"),
        ("'10'", "10"),
        ("!!str 10", "10"),
        ("10", 10),
        ("-1.5e3", -1500.0),
        ("~", None),
        ("true", True),
        ("1.2.3.4", "1.2.3.4"),
        ("fd00::1/64", "fd00::1/64"),
        ("{<<: 1}", {"<<": 1}),
    ],
)
def test_plain_words_are_what_the_core_schema_says(text: str, value: object) -> None:
    found, _ = read(text)
    assert (type(found), found) == (type(value), value)


def test_every_value_has_its_place() -> None:
    _, places = read("a:\n  - b: 1\n    c/d: x\n  - {e: ~}\n")
    assert places == {
        "": (1, 1),
        "/a": (2, 3),
        "/a/0": (2, 5),
        "/a/0/b": (2, 8),
        "/a/0/c~1d": (3, 10),
        "/a/1": (4, 5),
        "/a/1/e": (4, 9),
    }


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, "a is named twice"),
        ("a: [1, 2\n", 2, "expected ',' or ']'"),
        ("- !!python/object/apply:os.system ['true']\n", 1, "tag"),
        ("a: !secret x\n", 1, "tag"),
        ("---\na: 1\n---\nb: 2\n", 3, "another document"),
        ("{[1]: 2}", 1, "a member's name is a word"),
        ("a: &x [*x]\n", 1, "alias inside"),
        ("a: *unknown\n", 1, "undefined alias"),
        ("", 1, "empty"),
        ("a: \x00", 1, "special characters"),
        ("[" * 100_000, 1, "nested too deeply"),
        (f"a: 1\nb: {'9' * 5000}\n", 2, "a number of 5000 digits"),
        ("a: 1\nb: -1e999\n", 2, "-1e999 is too large a number"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_line(text: str, line: int, why: str) -> None:
    with pytest.raises(NotYamlError, match=f"(?i){why}") as caught:
        read(text)
    assert caught.value.line == line


def test_aliases_of_aliases_end_early(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yaml_text, "MAX_VALUES", 10_000)
    levels = "\n".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]" for n in range(1, 12))
    with pytest.raises(NotYamlError, match="more than 10000 values"):
        read(f"l0: &l0 x\n{levels}\n")


@given(
    VALUES | st.sampled_from(["on", "1e3", "010", "52:54:00:12:34:56", "~", "null", "0x1", "1_0", "=", "<<"])
)
def test_what_is_written_is_read_again(value: Any) -> None:
    assert read(yaml_text.write({"value": value}))[0] == {"value": value}


@pytest.mark.parametrize("text", ["1e3", ".5", "+1", "-1e-3", "null", "~", "true"])
def test_text_like_a_number_stays_text(text: str) -> None:
    assert read(yaml_text.write([text]))[0] == [text]
