"""What is wrong with how a controller is asked, before anybody is asked."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from causeway_controller.cli import errors
from causeway_controller.cli.main import app


@pytest.mark.parametrize(
    ("token", "authority", "said"),
    [
        (b"", None, "/token holds no token"),
        (b"one\r\nX-Other: two\n", None, "/token holds no token"),
        ("grün\n".encode(), None, "/token holds no token"),
        (b"sesame\n", "none.pem", "/none.pem cannot be read"),
        (b"sesame\n", "token", "/token cannot be read"),
    ],
)
def test_a_wrong_file_of_who_asks_is_named_and_is_no_controller_that_does_not_answer(
    tmp_path: Path, token: bytes, authority: str | None, said: str
) -> None:
    (tmp_path / "token").write_bytes(token)
    words = ["--server", "https://127.0.0.1:1", "--token-file", str(tmp_path / "token")]
    words += ["--ca-file", str(tmp_path / authority)] if authority else []
    result = CliRunner().invoke(app, [*words, "status"])
    assert (result.exit_code, result.stdout) == (errors.USAGE, "")
    assert said in result.stderr
    assert result.stderr.startswith("causeway: ")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("appliance", "show", "", "esx1"), "the name of the tenant is empty"),
        (("appliance", "redeploy", "acme", " "), "the name of the host is empty"),
        (("tenant", "show", "x" * 9000), "too long: 9012 letters"),
        (("explain", "192.0.2.1", "192.0.2.2", "--tenant", "x" * 9000), "too long"),
    ],
)
def test_a_name_that_no_path_can_hold_is_a_wrong_command_line(words: tuple[str, ...], said: str) -> None:
    result = CliRunner().invoke(app, ["--socket", "/nonexistent", *words])
    assert (result.exit_code, result.stdout) == (errors.USAGE, "")
    assert said in result.stderr
