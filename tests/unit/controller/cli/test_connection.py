"""What is wrong with how a controller is asked, before anybody is asked."""

from __future__ import annotations

import socket
import ssl
from errno import ECONNREFUSED
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from causeway_controller.cli import connection, errors
from causeway_controller.cli.errors import UnreachableError
from causeway_controller.cli.main import app
from causeway_controller.cli.where import Where
from causeway_wire import codec
from causeway_wire.problem import MEDIA_TYPE, ProblemError, ProblemType, problem

SERVER = ("--server", "https://dr.example")
UPDATE = (
    "--appliance",
    "a",
    "--address",
    "192.0.2.1",
    "--certificate",
    "c",
    "--key",
    "k",
    "--authority",
    "a",
)


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


@pytest.mark.parametrize(
    ("words", "next_step"),
    [
        ((*SERVER, "--token-file", "TOKEN", "--ca-file", "GONE", "status"), "--ca-file"),
        ((*SERVER, "--token-file", "GONE", "status"), "`causeway token create`"),
        (("provider", "join", "GONE"), "that the provider sent"),
        (("update", "GONE", *UPDATE), "no such file or directory"),
    ],
)
def test_a_file_that_is_not_there_is_told_without_the_systems_numbers(
    words: tuple[str, ...], next_step: str, tmp_path: Path
) -> None:
    (tmp_path / "TOKEN").write_text("sesame")
    paths = {word: str(tmp_path / word) for word in ("GONE", "TOKEN")}
    shown = CliRunner().invoke(app, [paths.get(word, word) for word in words])
    said = " ".join(shown.stderr.split())
    assert shown.exit_code in {errors.USAGE, 1}
    assert ("no such file or directory" in said, "Errno" in said, next_step in said) == (True, False, True)


def test_who_shows_another_certificate_answers_and_is_told_as_such() -> None:
    found = ssl.SSLCertVerificationError()
    found.verify_message = "self-signed certificate"
    said = str(UnreachableError("https://dr.example", SimpleNamespace(certificate_error=found)))
    assert said.startswith("who answers at https://dr.example shows a certificate that is not trusted (self-")
    assert "--ca-file" in said
    assert "is it running" not in said


def test_why_nobody_answers_is_said_by_the_system_in_few_words() -> None:
    refused = SimpleNamespace(
        os_error=ConnectionRefusedError(ECONNREFUSED, "Connect call failed ('::1', 8444)")
    )
    assert "(connection refused); is it running" in str(UnreachableError("https://dr.example", refused))
    unknown = SimpleNamespace(os_error=socket.gaierror(-2, "Name or service not known"))
    assert "(Name or service not known)" in str(UnreachableError("https://dr.example", unknown))
    plain = SimpleNamespace(os_error=ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number"))
    assert "wrong version number); is it" in str(UnreachableError("https://dr.example", plain))


def test_a_token_that_is_not_known_is_named_by_its_file_with_who_makes_another() -> None:
    refused = problem(ProblemType.UNAUTHENTICATED, "send a valid token as `Authorization: Bearer TOKEN`")
    response: Any = SimpleNamespace(content_type=MEDIA_TYPE, status=401)
    where = Where(server="https://dr.example", socket=Path("/s"), token_file=Path("anna.token"))
    error = connection._refusal(where, response, codec.encode(refused))
    assert isinstance(error, ProblemError)
    assert error.problem.type == ProblemType.UNAUTHENTICATED.urn
    token, where_to = "the token in anna.token is none of the controller's", "https://dr.example"
    assert error.problem.detail.startswith(f"{token} at {where_to}")
    assert "`causeway token create`" in error.problem.detail
