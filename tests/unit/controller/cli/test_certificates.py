"""`causeway certificate`: what was issued, what was revoked, by whom and why."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from causeway_controller.cli import errors
from causeway_controller.cli.main import app
from causeway_controller.inventory import certificates
from causeway_controller.inventory.certificates import Subject
from causeway_controller.store import authorities
from causeway_controller.store.authorities import AuthorityName
from causeway_controller.trust import pki
from tests.certificates import signed
from tests.controller_socket import AtSocket, at_socket


@pytest.fixture
def controller(tmp_path: Path) -> Iterator[AtSocket]:
    with at_socket(tmp_path) as found:
        yield found


@pytest.fixture
def serial(controller: AtSocket) -> str:
    """Of the tenant's end of a tunnel."""
    subject = certificates.of_client("acme", "t1", "acme-lan-tenant")
    return certified(controller, authorities.vpn("acme"), subject, pki.Usage.CLIENT)


def certified(controller: AtSocket, name: AuthorityName, subject: Subject, usage: pki.Usage) -> str:
    """The serial number of a certificate for a new key."""
    key = pki.make_key().public_key()
    return signed(controller.database, name, subject, key=key, usage=usage, now=controller.now)


def ask(controller: AtSocket, *words: str) -> Result:
    return CliRunner().invoke(app, ["--socket", str(controller.socket), "certificate", *words])


def test_one_is_tried_and_revoked_and_told_as_such(controller: AtSocket, serial: str) -> None:
    assert serial in ask(controller, "list", "--tenant", "acme").stdout
    tried = ask(controller, "revoke", serial, "--reason", "a disk was stolen", "--dry-run")
    assert (tried.exit_code, "nothing was changed" in tried.stderr) == (0, True)
    assert ask(controller, "list", "--revoked").stdout == ""
    done = ask(controller, "revoke", serial, "--reason", "a disk was stolen")
    assert (done.exit_code, f"{serial} of client acme-lan-tenant: revoked" in done.stdout) == (0, True)
    assert "has another key certified by itself" in done.stdout
    assert serial in ask(controller, "list", "--revoked").stdout
    shown = ask(controller, "show", serial).stdout
    assert "a disk was stolen" in shown
    assert json.loads(ask(controller, "show", serial, "--json").stdout)["state"] == "revoked"
    again = json.loads(ask(controller, "revoke", serial, "--reason", "again", "--json").stdout)
    assert again["certificates"][0]["revoked"]["reason"] == "a disk was stolen"


def test_gateways_of_one_pool_have_one_name_and_are_told_apart(controller: AtSocket) -> None:
    for name in ("edge1", "edge2"):
        subject = certificates.of_gateway(name, "gw.example")
        certified(controller, authorities.gateways("gw.example"), subject, pki.Usage.SERVER)
    second, first = ask(controller, "list").stdout.splitlines()[-2:]
    assert ("edge1" in first, "edge2" in second) == (True, True)
    only = ask(controller, "list", "--of", "gateway", "--appliance", "edge1", "--valid").stdout
    assert ("edge1" in only, "edge2" in only) == (True, False)
    assert ask(controller, "list", "--of", "server").stdout == ""
    limited = ask(controller, "list", "--limit", "1")
    assert "causeway certificate list --before 2" in limited.stderr
    assert "edge1" in ask(controller, "list", "--before", "2").stdout
    assert ask(controller, "list", "--of", "nobody").exit_code == errors.USAGE


def test_what_is_wrong_is_told(controller: AtSocket, serial: str) -> None:
    mistyped = ask(controller, "list", "--tenant", "acmee")
    assert (mistyped.exit_code, mistyped.stdout) == (0, "")
    assert mistyped.stderr == "causeway: no certificate of acmee was issued here\n"
    unknown = ask(controller, "revoke", "1f", "--reason", "x")
    assert (unknown.exit_code, "there is no certificate 1f" in unknown.stderr) == (errors.REFUSED, True)
    empty = ask(controller, "revoke", serial, "--reason", "")
    assert (empty.exit_code, "/reason" in empty.stderr) == (errors.REFUSED, True)
    assert ask(controller, "revoke", serial).exit_code == errors.USAGE


def test_a_serial_number_is_taken_as_openssl_shows_it(controller: AtSocket, serial: str) -> None:
    octets = f"{int(serial, 16):040X}"
    assert serial in ask(controller, "show", octets).stdout
    assert serial in ask(controller, "show", ":".join(re.findall("..", octets))).stdout
    wrong = ask(controller, "revoke", "acme-sp", "--reason", "x")
    assert (wrong.exit_code, "acme-sp is no serial number" in wrong.stderr) == (errors.USAGE, True)
