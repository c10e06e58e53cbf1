"""Words of a command line that are no text."""

from __future__ import annotations

import os

import pytest
from typer.testing import CliRunner

from causeway_controller.cli import errors
from causeway_controller.cli.main import app

LATIN = os.fsdecode(b"m\xfcller")


@pytest.mark.parametrize(
    "words",
    [
        ("tenant", "show", LATIN),
        ("explain", "192.0.2.1", "192.0.2.2", "--host", LATIN),
        ("failover", "full", "acme", f"--plan={LATIN}"),
        ("certificate", "revoke", "ab", "--reason", LATIN),
        ("apply", "--file", LATIN),
    ],
)
def test_a_word_that_is_not_utf_8_is_named_and_nobody_is_asked(words: tuple[str, ...]) -> None:
    done = CliRunner().invoke(app, ["--socket", "/nonexistent", *words])
    assert (done.exit_code, done.stdout) == (errors.USAGE, "")
    assert r"m\xfcller: not text in UTF-8" in " ".join(done.stderr.replace("│", " ").split())


def test_every_letter_that_is_text_is_taken() -> None:
    done = CliRunner().invoke(app, ["--socket", "/nonexistent", "tenant", "show", "müller-😀"])
    assert done.exit_code == errors.UNREACHABLE
