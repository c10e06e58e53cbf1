"""What two judges said is read, what must not be is told; the page that is kept says what is known."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from image import hardening
from image.hardening import Expected, Finding

REPORT = """\
# Lynis Report
report_version_major=1
lynis_version=3.0.8
lynis_tests_done=212
hardening_index=71
warning[]=NETW-1|A | in the middle|-|-|
suggestion[]=BOOT-2|Set a password|details|solution|
suggestion[]=BOOT-2|And another|-|-|
"""
SERVICES = """\
  NAME  DESCRIPTION  EXPOSURE
→ Overall exposure level for a.service: 2.1 OK
→ Overall exposure level for b.service: 9.6 UNSAFE
"""
FOUND = hardening.read(REPORT, SERVICES)
KNOWN = Expected(
    least=71, skipped={"OFF-1": "not here"}, reasons={"NETW-1": "it is so", "BOOT-2": "nobody | is there"}
)


def test_both_are_read() -> None:
    assert (FOUND.lynis, FOUND.index, FOUND.tests) == ("3.0.8", 71, 212)
    assert FOUND.findings == (
        Finding(test="NETW-1", text="A ", warning=True),
        Finding(test="BOOT-2", text="Set a password", warning=False),
        Finding(test="BOOT-2", text="And another", warning=False),
    )
    assert FOUND.exposures == {"a.service": 2.1, "b.service": 9.6}


def test_a_judge_that_did_not_get_to_its_end_is_no_praise() -> None:
    with pytest.raises(ValueError, match="did not get to its end"):
        hardening.read(REPORT.replace("hardening_index=71\n", ""), SERVICES)


def test_all_that_is_known_is_no_complaint() -> None:
    assert hardening.complaints(FOUND, KNOWN) == []


@pytest.mark.parametrize(
    ("known", "words"),
    [
        (replace(KNOWN, least=72), "index is 71; it was 72"),
        (replace(KNOWN, reasons={"NETW-1": "so"}), "BOOT-2 has no reason in hardening.toml: Set a password"),
    ],
)
def test_what_is_worse_or_new_is_told(known: Expected, words: str) -> None:
    assert words in hardening.complaints(FOUND, known)[0]


def test_the_page_says_all_of_it() -> None:
    text = hardening.page(FOUND, KNOWN)
    assert "hardening index **71** of 100" in text
    assert "| NETW-1 | **A** | it is so |\n" in text
    assert "| OFF-1 | not here |\n" in text
    assert "| BOOT-2 | And another | nobody \\| is there |\n" in text
    assert text.index("`b.service` | 9.6") < text.index("`a.service` | 2.1")


def test_the_page_that_is_kept_has_the_index_and_the_reasons_that_are_kept() -> None:
    text, known = hardening.PAGE.read_text(), hardening.expected()
    index = re.search(r"index \*\*(\d+)\*\* of 100", text)
    assert index is not None
    assert int(index[1]) >= known.least
    rows = [line for line in text.splitlines() if re.match(r"\| [A-Z][A-Z0-9-]+ \| ", line)]
    told = {row.split()[1]: row.removesuffix(" |").rsplit(" | ", 1)[1] for row in rows}
    assert told == {**known.reasons, **known.skipped}


def test_of_debians_services_those_are_shown_that_go_on_running(tmp_path: Path) -> None:
    ours, debians = tmp_path / "etc/systemd/system", tmp_path / "usr/lib/systemd/system"
    for place in (ours, debians):
        place.mkdir(parents=True)
    for path, kind in (
        (ours / "own.service", "oneshot"),
        (debians / "once.service", "oneshot"),
        (debians / "stays.service", "notify"),
        (debians / "a.socket", "x"),
    ):
        path.write_text(f"[Service]\nType={kind}\n")
    (ours / "masked.service").symlink_to("/dev/null")
    assert hardening.services(tmp_path) == ("own.service", "stays.service")
