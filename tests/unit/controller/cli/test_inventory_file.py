"""Files that cannot be read at all: which, and why, before anybody is asked."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from causeway_controller.cli import errors
from causeway_controller.cli.main import app


@pytest.mark.parametrize("command", ["lint", "apply -f", "diff -f", "replica import acme -f"])
@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("none.yaml", "none.yaml: it cannot be read: No such file or directory"),
        ("", "'': it cannot be read: Is a directory"),
        ("latin.yaml", "latin.yaml: it is no text in UTF-8: octet 4 of it is 0xfc"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_the_reason(
    command: str, file: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "latin.yaml").write_bytes(b"a: \xfc\n")
    done = CliRunner().invoke(app, ["--socket", "/nonexistent", *command.split(), file])
    assert done.exit_code == errors.REFUSED
    assert done.stdout == f"{said}\n"
    assert done.stderr == "causeway: 1 problem; nothing was changed\n"
