"""What never gets to a handler is answered as all else is: a problem, in our words."""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import Iterator

import pytest

from causeway_controller.api import runner
from causeway_controller.store.inventories import Inventories
from tests.controller_socket import AtSocket, at_socket
from tests.provider_inventory import seed_example

HOST = b"Host: x\r\n"
JSON = b"Content-Type: application/json\r\nIf-Match: *\r\n"
PUT = b"PUT /v1/inventory?dry_run=true HTTP/1.1\r\n" + HOST + JSON
FIRST_LINE = "the first line is a method of HTTP in capitals"
UNREADABLE = "this is no request of HTTP/1.1 that can be read"
SECONDS = 20


@pytest.fixture(scope="module")
def controller(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AtSocket]:
    with at_socket(tmp_path_factory.mktemp("c")) as found:
        Inventories(found.database, now=found.now).replace(seed_example(), expected=0, actor="test")
        yield found


def said(controller: AtSocket, text: bytes) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of the first answer at the socket."""
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(str(controller.socket))
        line.settimeout(SECONDS)
        line.sendall(text)
        with line.makefile("rb") as answer:
            status = int(answer.readline().split()[1])
            lines = iter(lambda: answer.readline().decode().rstrip(), "")
            headers = dict(one.split(": ", 1) for one in lines)
            return status, headers, answer.read(int(headers.get("Content-Length", 0)))


CASES = {
    "unknown method": (b"FOO /v1 HTTP/1.1\r\n" + HOST + b"\r\n", FIRST_LINE),
    "method in small letters": (b"get /v1 HTTP/1.1\r\n" + HOST + b"\r\n", FIRST_LINE),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", FIRST_LINE),
    "no Host": (b"GET /v1 HTTP/1.1\r\n\r\n", UNREADABLE),
    "long header": (b"GET /v1 HTTP/1.1\r\n" + HOST + b"A: " + b"a" * 9000 + b"\r\n\r\n", "8190 octets"),
    "long path": (b"GET /v1?" + b"a" * 9000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", "8190 octets"),
    "many headers": (b"GET /v1 HTTP/1.1\r\n" + HOST + b"A: a\r\n" * 200 + b"\r\n", "no more than 128"),
    "bad header": (b"GET /v1 HTTP/1.1\r\n" + HOST + b"X Y: 1\r\n\r\n", UNREADABLE),
    "NUL": (b"GET /v1 HTTP/1.1\r\n" + HOST + b"X: a\0b\r\n\r\n", UNREADABLE),
    "bad chunk": (PUT + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", UNREADABLE),
    "both lengths": (PUT + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n", UNREADABLE),
    "negative length": (PUT + b"Content-Length: -1\r\n\r\n", UNREADABLE),
    "expectation": (b"GET /v1 HTTP/1.1\r\n" + HOST + b"Expect: foo\r\n\r\n", "but 100-continue"),
    "expectation nowhere": (b"GET /v9 HTTP/1.1\r\n" + HOST + b"Expect: foo\r\n\r\n", "but 100-continue"),
}


@pytest.mark.parametrize("name", CASES)
def test_what_cannot_be_read_is_a_problem_in_words(controller: AtSocket, name: str) -> None:
    text, words = CASES[name]
    status, headers, body = said(controller, text)
    assert (status, headers["Content-Type"]) == (400, "application/problem+json"), body
    details = json.loads(body)
    assert (details["type"], details["status"]) == ("urn:causeway:problem:malformed", 400)
    assert words in details["detail"]
    assert (headers["Server"], headers["Cache-Control"]) == ("causeway", "no-store")
    assert b"b'" not in body, "nothing of the request is repeated"


@pytest.mark.parametrize("coding", ["br", "gzip", "deflate", "zstd"])
def test_a_compressed_body_is_refused_as_what_it_is(controller: AtSocket, coding: str) -> None:
    head = PUT + f"Content-Encoding: {coding}\r\nContent-Length: 2\r\n\r\n".encode()
    status, headers, body = said(controller, head + b"{}")
    assert (status, headers["Content-Type"]) == (415, "application/problem+json")
    assert "without Content-Encoding" in json.loads(body)["detail"]


def test_an_awaited_body_is_asked_for(controller: AtSocket) -> None:
    assert said(controller, PUT + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n")[0] == 100


def test_an_empty_body_is_said_to_be_needed(controller: AtSocket) -> None:
    status, _, body = said(controller, PUT + b"Content-Length: 0\r\n\r\n")
    assert (status, b"it is empty" in body) == (400, True)


def test_a_token_in_a_header_that_cannot_be_read_is_not_in_the_log(
    controller: AtSocket, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        said(controller, b"GET /v1 HTTP/1.1\r\n" + HOST + b"Authorization: Bearer cwt_x\0\r\n\r\n")
    told = [record.message for record in caplog.records if record.name == runner.__name__]
    assert told == ["request not readable"]
    assert "cwt_x" not in caplog.text


def test_no_answer_tells_by_which_software_it_was_made(controller: AtSocket) -> None:
    for path in (b"/v1", b"/healthz", b"/v9"):
        _, headers, body = said(controller, b"GET " + path + b" HTTP/1.1\r\n" + HOST + b"\r\n")
        assert headers["Server"] == "causeway"
        assert b"aiohttp" not in body
