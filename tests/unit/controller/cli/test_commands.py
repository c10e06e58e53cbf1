"""The commands as clients of the API: what they print, with which exit code, and what they ask."""

from __future__ import annotations

import errno
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from causeway_controller.cli import errors, following
from causeway_controller.cli.main import app
from causeway_controller.contract.appliances import Condition
from causeway_controller.inventory.health import NOBODY, Deployed
from causeway_controller.store.appliances import Appliances
from causeway_wire import codec
from tests.controller_socket import AtSocket, at_socket
from tests.provider_inventory import two_hosts

ROOT = Path(__file__).resolve().parents[4]
EXAMPLE = str(ROOT / "docs/examples/provider.yaml")


@pytest.fixture
def controller(tmp_path: Path) -> Iterator[AtSocket]:
    with at_socket(tmp_path) as found:
        yield found


def ask(controller: AtSocket, *words: str, text: str | None = None) -> Result:
    return CliRunner().invoke(app, ["--socket", str(controller.socket), *words], input=text)


def enter(controller: AtSocket) -> None:
    assert ask(controller, "apply", "-f", EXAMPLE).exit_code == 0


def started(controller: AtSocket) -> str:
    run = ask(controller, "failover", "partial", "acme", "db1", "--detach").stdout.strip()
    assert run.startswith("r-")
    return run


def test_a_file_is_tried_applied_exported_and_applied_again(controller: AtSocket, tmp_path: Path) -> None:
    tried = ask(controller, "diff", "-f", EXAMPLE)
    assert (tried.exit_code, "+ tenants/acme" in tried.stdout) == (1, True)
    assert "Revision 0 stays in force" in tried.stdout
    assert ask(controller, "apply", "-f", EXAMPLE, "--dry-run").stdout == tried.stdout
    applied = ask(controller, "apply", "-f", EXAMPLE)
    assert applied.stdout.splitlines()[:-1] == tried.stdout.splitlines()[:-1]
    assert applied.stdout.endswith("Revision 1 is in force.\n")
    exported = ask(controller, "export")
    (tmp_path / "out.yaml").write_text(exported.stdout)
    same = ask(controller, "diff", "-f", str(tmp_path / "out.yaml"))
    assert (same.exit_code, same.stdout) == (0, "No difference to revision 1.\n")
    assert json.loads(ask(controller, "export", "--json").stdout)["tenants"][0]["id"] == "acme"


@pytest.mark.parametrize("command", ["apply", "diff"])
def test_what_is_wrong_is_told_with_its_line(controller: AtSocket, command: str) -> None:
    text = Path(EXAMPLE).read_text().replace("gateway_pool: edge", "gateway_pool: edgy")
    line = text[: text.index("gateway_pool: edgy")].count("\n") + 1
    result = ask(controller, command, "-f", "-", text=text)
    assert result.exit_code == 1
    assert result.stdout.startswith(f"standard input:{line}:19: /tenants/0/gateway_pool: no gateway pool")
    assert "nothing was changed" in result.stderr
    found = json.loads(ask(controller, command, "-f", "-", "--json", text=text).stdout)["problems"]
    assert [(one["line"], one["pointer"]) for one in found] == [(line, "/tenants/0/gateway_pool")]


def test_what_fills_up_is_told_when_it_is_entered(controller: AtSocket) -> None:
    tight = Path(EXAMPLE).read_text().replace("first: 100, last: 149", "first: 100, last: 102")
    for words in (("diff",), ("apply", "--dry-run"), ("apply",), ("diff",)):
        told = ask(controller, *words, "-f", "-", text=tight)
        assert "/vlan_pools/0: 3 of 3 VLANs of class internet on host esx1 are given" in told.stderr
        assert "VLANs of class" not in told.stdout


def test_status_says_first_what_is_wrong(controller: AtSocket) -> None:
    empty = ask(controller, "status")
    assert (empty.exit_code, "nothing has been entered yet" in empty.stdout.splitlines()[0]) == (1, True)
    enter(controller)
    bare = ask(controller, "status")
    assert bare.exit_code == 1
    assert bare.stdout.startswith("acme on esx1: is not deployed and failover plan site needs it: `causeway ")
    place = Deployed(id="acme-sp1", tenant="acme", host="esx1", address=ip_address("10.10.0.21"), port=8443)
    Appliances(controller.database).enter(place, at=datetime.now(UTC))
    well = ask(controller, "status")
    assert (well.exit_code, well.stdout.splitlines()[0]) == (0, "Nothing is wrong; no run under way.")
    assert json.loads(ask(controller, "status", "--json").stdout)["tenants"] == 1


def test_a_gateway_is_shown_with_what_is_wrong(controller: AtSocket) -> None:
    missing = ask(controller, "gateway", "show", "gw1")
    assert (missing.exit_code, "see `causeway appliance list`" in missing.stderr) == (1, True)
    place = Deployed(id="gw1", tenant=NOBODY, host="gw1", address=ip_address("192.0.2.9"), port=8443)
    appliances, now = Appliances(controller.database), datetime.now(UTC)
    appliances.enter(place, at=now)
    place = replace(place, entered=now)
    appliances.saw([replace(place, condition=Condition.HEALTHY, asked=now, since=now, mode="gateway")])
    well = ask(controller, "gateway", "show", "gw1")
    assert (well.exit_code, "condition: healthy" in well.stdout) == (0, True)
    appliances.saw([replace(place, condition=Condition.MISSING, asked=now, since=now)])
    wrong = ask(controller, "gateway", "show", "gw1", "--json")
    assert wrong.exit_code == 1
    assert json.loads(wrong.stdout)["trouble"].endswith("run `causeway gateway deploy gw1`")


def test_tenants_are_listed_and_shown(controller: AtSocket) -> None:
    enter(controller)
    assert ask(controller, "tenant", "list").stdout.split() == ["acme", "esx1", "2", "2"]
    shown = ask(controller, "tenant", "show", "acme").stdout
    assert "# appliance on esx1: 6 vNICs" in shown
    missing = ask(controller, "tenant", "show", "gone")
    assert (missing.exit_code, missing.stderr) == (
        1,
        "causeway: there is no tenant gone; `causeway tenant list` tells those that you see\n",
    )


def test_a_failover_is_planned_started_and_followed_to_its_end(controller: AtSocket) -> None:
    enter(controller)
    planned = ask(controller, "failover", "partial", "acme", "db1", "--dry-run")
    stages, (first, second, end) = planned.stdout.splitlines()[:2], planned.stdout.splitlines()[2:]
    assert stages == ["  1  Fail over on esx1", "  2  Confirm both halves"]
    assert re.fullmatch(r"db1 starts as of 2026-01-31 09:00:00 UTC, \d+ d ago", first)
    assert second == "web1 starts as it is: nobody has told its restore point"
    assert end == "Nothing was changed."
    controller.runs.notes = ("north could not be asked",)
    noted = ask(controller, "failover", "partial", "acme", "db1", "--dry-run").stdout.splitlines()
    assert noted[-2:] == ["Note: north could not be asked", end]
    run = started(controller)
    controller.runs.tell(run, "started", stage="one")
    controller.runs.tell(run, "step", step="Tell both", state="failed", seconds=1.5, error="no answer")
    ending = threading.Timer(0.5, controller.runs.end, (run, "finished"))
    ending.start()
    watched = ask(controller, "run", "watch", run)
    ending.join()
    assert watched.exit_code == 0
    assert [line.split()[1:3] for line in watched.stdout.splitlines()] == [
        ["1", "started"],
        ["2", "step"],
        ["3", "finished"],
    ]
    assert "Tell both: failed (1.5 s): no answer" in watched.stdout
    assert "stage: one" in watched.stdout
    listed = ask(controller, "run", "list").stdout
    assert listed.split()[:4] == [run, "acme", "esx1", "finished"]
    assert "asked by uid-" in ask(controller, "run", "show", run).stdout


@pytest.mark.parametrize("kind", ["failed", "stopped"])
def test_a_run_that_failed_ends_with_4(controller: AtSocket, kind: str) -> None:
    enter(controller)
    run = started(controller)
    controller.runs.end(run, kind)
    watched = ask(controller, "run", "watch", run)
    assert (watched.exit_code, f"run {run}: {kind}" in watched.stderr) == (4, True)


def test_a_run_is_stopped_and_retried(controller: AtSocket) -> None:
    enter(controller)
    run = started(controller)
    assert ask(controller, "run", "stop", run).exit_code == 0
    assert [name for name, _ in controller.runs.stopped] == [run]
    controller.runs.end(run, "failed")
    ending = threading.Timer(1, controller.runs.end_all)
    ending.start()
    again = ask(controller, "run", "retry", run)
    ending.join()
    assert (again.exit_code, controller.runs.retried) == (0, [run])


@pytest.mark.parametrize(
    ("words", "request_"),
    [
        (
            ("failover", "full", "acme"),
            {"request": "fail-over-site", "vms": ["db1", "web1"], "but": [], "escalate": False},
        ),
        (
            ("failover", "full", "acme", "--plan", "site"),
            {"request": "fail-over-site", "vms": [], "but": [], "plan": "site", "escalate": False},
        ),
        (
            ("failover", "full", "acme", "--plan", "site", "--but", "web1", "--but", "db1"),
            {
                "request": "fail-over-site",
                "vms": [],
                "but": ["db1", "web1"],
                "plan": "site",
                "escalate": False,
            },
        ),
        (("failover", "permanent", "acme", "db1"), {"request": "make-permanent", "vms": ["db1"]}),
        (
            ("failover", "failback", "acme", "--synchronised"),
            {"request": "fail-back", "vms": [], "synchronised": True, "stop_appliances": False},
        ),
        (
            ("failover", "escalate", "acme", "db1"),
            {"request": "fail-over-site", "vms": ["db1"], "but": [], "escalate": True},
        ),
        (("failover", "undo", "acme", "db1"), {"request": "undo", "vms": ["db1"], "stop_appliances": False}),
        (
            ("failover", "undo", "acme", "--full", "--keep-partial", "db1", "--stop-appliances"),
            {"request": "undo-site", "keep_partial": ["db1"], "stop_appliances": True},
        ),
        (
            ("rehearsal", "start", "acme", "--internet", "--but", "web1"),
            {"request": "rehearse", "vms": ["db1", "web1"], "but": ["web1"], "internet": True},
        ),
        (("rehearsal", "end", "acme"), {"request": "end-rehearsal", "stop_appliances": False}),
    ],
)
def test_each_command_asks_for_what_it_says(
    controller: AtSocket, words: tuple[str, ...], request_: dict[str, object]
) -> None:
    enter(controller)
    run = ask(controller, *words, "--detach").stdout.strip()
    asked = json.loads(ask(controller, "run", "show", run, "--json").stdout)["run"]["request"]
    assert {name: sorted(one) if isinstance(one, list) else one for name, one in asked.items()} == {
        "tenant": "acme",
        **request_,
    }


def test_a_run_is_reported_as_text_as_json_and_as_a_page(controller: AtSocket) -> None:
    enter(controller)
    run = ask(controller, "failover", "partial", "acme", "db1", "--detach").stdout.strip()
    told = {"step": "Power on", "state": "done", "stage": 1, "vm": "db1", "does": "start"}
    controller.runs.tell(run, "started", stages=[["Power on"]], controller="one")
    controller.runs.tell(run, "step", **told)
    controller.runs.tell(run, "failed", why="because", now={"vms": {"db1": "on"}})
    said = ask(controller, "run", "report", run).stdout
    assert "because" in said
    assert "db1" in said
    found = json.loads(ask(controller, "run", "report", run, "--json").stdout)
    assert (found["state"], found["vms"][0]["state"]) == ("failed", "started")
    assert found["now"] == {"vms": {"db1": "on"}}
    page = ask(controller, "run", "report", run, "--html").stdout
    assert page.startswith("<!doctype html>")
    assert "because" in page


def test_a_tenant_on_two_hosts_needs_to_be_told_where(controller: AtSocket) -> None:
    entered = ask(controller, "apply", "-f", "-", text=codec.encode(two_hosts()).decode())
    assert entered.exit_code == 0, entered.stdout
    for words, code in ((("--host", "esx2", "--detach"), 0), (("--detach",), 2)):
        assert ask(controller, "failover", "partial", "acme", "db1", *words).exit_code == code


def test_who_stops_following_is_told_how_to_go_on(
    controller: AtSocket, monkeypatch: pytest.MonkeyPatch
) -> None:
    enter(controller)
    run = started(controller)

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(following, "tell", interrupted)
    controller.runs.tell(run, "started")
    result = ask(controller, "run", "watch", run)
    assert result.exit_code == 0
    assert f"causeway run watch {run}" in result.stderr
    assert json.loads(ask(controller, "run", "show", run, "--json").stdout)["run"]["open"]


def test_tokens_are_made_listed_and_revoked(controller: AtSocket) -> None:
    made = ask(controller, "token", "create", "robot", "--role", "operator", "--days", "7")
    secret = made.stdout.strip()
    assert secret.startswith("cwt_")
    identifier = secret.split("_")[1]
    listed = ask(controller, "token", "list").stdout
    assert (identifier in listed, secret in listed) == (True, False)
    assert ask(controller, "token", "revoke", identifier).exit_code == 0
    assert "revoked" in ask(controller, "token", "list").stdout


def test_the_audit_is_read_and_verified(controller: AtSocket) -> None:
    enter(controller)
    assert "inventory.replace" in ask(controller, "audit", "list").stdout
    assert ask(controller, "audit", "verify").exit_code == 0
    with controller.database.write() as connection:
        connection.exec_driver_sql("DROP TRIGGER audit_no_update")
        connection.exec_driver_sql("UPDATE audit SET actor = 'nobody'")
    broken = ask(controller, "audit", "verify")
    assert (broken.exit_code, broken.stdout.startswith("Record 1 is not")) == (1, True)


def test_no_controller_is_said_with_3(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["--socket", str(tmp_path / "none"), "status"])
    assert (result.exit_code, "is it running" in result.stderr) == (3, True)


def test_a_socket_that_nobody_listens_at_is_told_in_plain_words(tmp_path: Path) -> None:
    place = tmp_path / "dead"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(place))
    result = CliRunner().invoke(app, ["--socket", str(place), "status"])
    assert result.exit_code == 3
    said = f"causeway: no controller answers at the socket {place} (connection refused)"
    assert result.stderr.startswith(said)
    assert "`systemctl status causeway`" in result.stderr
    assert "`causeway serve`" in result.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--server", "http://controller.example"), "begins with https://"),
        (("--server", "https://controller.example"), "--token-file"),
        (("--server", "https://controller.example", "--token-file", "/none"), "/none"),
    ],
)
def test_a_token_is_never_sent_in_the_clear_nor_forgotten(words: tuple[str, ...], said: str) -> None:
    result = CliRunner().invoke(app, [*words, "status"])
    assert (result.exit_code, said in result.stderr) == (2, True)


def test_long_lines_are_never_cut(controller: AtSocket) -> None:
    enter(controller)
    long = "x" * 200
    text = Path(EXAMPLE).read_text().replace("- id: acme", f"- id: acme\n    description: {long}")
    assert ask(controller, "apply", "-f", "-", text=text).exit_code == 0
    assert long in ask(controller, "tenant", "list").stdout


def test_completion_is_offered() -> None:
    result = CliRunner().invoke(app, ["--help"])
    assert "--install-completion" in result.stdout


def test_who_may_not_use_the_socket_is_told_what_to_do() -> None:
    refused = errors.UnreachableError("/run/c.sock", PermissionError(errno.EACCES, "Permission denied"))
    assert "adduser YOU causeway" in str(refused)
    other = errors.UnreachableError("/run/c.sock", ConnectionRefusedError(errno.ECONNREFUSED, "refused"))
    assert "systemctl status causeway" in str(other)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
@pytest.mark.timeout(600)
def test_a_socket_of_others_is_no_mistake_of_the_command_line(tmp_path: Path) -> None:
    """Who asks another controller by --server has no use for the one of this host."""
    with tempfile.TemporaryDirectory() as name, socket.socket(socket.AF_UNIX) as others:
        Path(name).chmod(0o755)
        path = Path(name, "c.sock")
        others.bind(str(path))
        others.listen()
        path.chmod(0o600)
        done = subprocess.run(
            (sys.executable, "-m", "causeway_controller", "--socket", str(path), "status"),
            user=65_534,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
    assert (done.returncode, "adduser YOU causeway" in done.stderr) == (3, True), done.stderr
