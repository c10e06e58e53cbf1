"""`causeway lint`: the example of the documents, and what is told of a wrong line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from causeway_controller.cli.main import app

ROOT = Path(__file__).resolve().parents[4]
EXAMPLE = ROOT / "docs/examples/provider.yaml"
GUIDE = ROOT / "docs/how-to/describe-your-site.md"
TEXT = EXAMPLE.read_text()


def lint(text: str, *options: str) -> Result:
    return CliRunner().invoke(app, ["lint", "-", *options], input=text)


def problems(text: str) -> list[dict[str, Any]]:
    result = lint(text, "--json")
    assert result.exit_code == 1
    found: list[dict[str, Any]] = json.loads(result.stdout)["problems"]
    return found


def line_of(text: str, part: str) -> int:
    return text[: text.index(part)].count("\n") + 1


def test_the_seeds_example_needs_one_appliance_with_six_vnics() -> None:
    result = CliRunner().invoke(app, ["lint", str(EXAMPLE)])
    assert result.exit_code == 0
    assert result.stdout in GUIDE.read_text().replace("\n    ", "\n")
    told = json.loads(lint(TEXT, "--json").stdout)
    assert [len(one["adapters"]) for one in told["appliances"]] == [6]


@pytest.mark.parametrize("arguments", [["-h"], ["lint", "-h"], ["lab", "-h"]])
def test_help_has_a_short_name(arguments: list[str]) -> None:
    assert "Usage:" in CliRunner().invoke(app, arguments).stdout


def test_json_is_read_as_well() -> None:
    assert lint('{"hosts": []}').exit_code == 0


def test_all_that_is_wrong_with_the_shape_is_told_at_once() -> None:
    text = (
        TEXT.replace("kind: vsphere", "kind: foo")
        .replace("login: vcenter", "logn: vcenter")
        .replace("assignment: static, addresses:", "assignment: static, adresses:")
        .replace("priority: 1", "priority: 9")
        .replace("public_port: 443", "public_port: https")
    )
    found = problems(text)
    assert {one["line"] for one in found} == {
        line_of(text, "kind: foo"),
        line_of(text, "logn: vcenter"),
        line_of(text, "adresses:"),
        line_of(text, "priority: 9"),
        line_of(text, "public_port: https"),
    }
    uplink = "/tenants/0/subscriptions/1/uplink/address"
    assert {one["detail"] for one in found if one["pointer"].startswith(uplink)} == {
        "Object contains unknown field `adresses`; there are addresses, gateways",
        "Object missing required field `addresses`",
    }, "inside a union it is told of the document that was meant"


def test_a_list_that_is_too_long_is_told_without_what_only_appliances_have() -> None:
    (found,) = problems(TEXT.replace("gateways: [gw1]", f"gateways: {['gw1'] * 17}"))
    assert found["detail"] == "Expected `array` of length <= 16"
    assert found["pointer"] == "/gateway_pools/0/gateways"


def test_what_the_guide_shows_of_a_misspelt_name_is_what_is_said() -> None:
    result = lint(TEXT.replace("gateway_pool: edge", "gateway_pool: edgy"))
    assert result.exit_code == 1
    assert result.stdout in GUIDE.read_text().replace("\n    ", "\n")
    assert "1 problem; nothing was changed" in result.stderr


@pytest.mark.parametrize(
    ("old", "new", "pointer", "said"),
    [
        ("public_port: 443", "public_port: 22", "/tenants/0/failover_plans/0/rules/0/public_port", "22"),
        ("first: 150, last: 199", "first: 140, last: 199", "/vlan_pools/1", "140"),
        (
            "gateways: [192.168.10.1]",
            "gateways: [192.168.11.1]",
            "/tenants/0/networks/0/gateways/0",
            "192.168.11.1",
        ),
        ("after: [db1]", "after: [web1]", "/tenants/0/failover_plans/0/entries/1/after", "web1"),
        ("kind: vsphere", "kind: vmware", "/hosts/0/kind", "one of vsphere, hyperv, libvirt, lab"),
        ("login: vcenter", "password: hunter2", "/hosts/0/password", "`password`; there are id, kind,"),
        ("vm_id: vm-212", "vm_id: vm-211", "/tenants/0/vms/1/replica", "vm-211"),
    ],
)
def test_a_wrong_line_is_named_with_its_member(old: str, new: str, pointer: str, said: str) -> None:
    text = TEXT.replace(old, new, 1)
    found = [one for one in problems(text) if one["pointer"].startswith(pointer)]
    assert found
    assert said in found[0]["detail"]
    assert abs(found[0]["line"] - line_of(text, new)) <= 1


def test_all_problems_are_told_at_once() -> None:
    text = TEXT.replace("public_port: 443", "public_port: 22").replace("plan: large", "plan: huge")
    assert {one["pointer"].rpartition("/")[2] for one in problems(text)} >= {"public_port", "plan"}


@pytest.mark.parametrize("name", ["missing.yaml", "."])
def test_a_file_that_cannot_be_read_is_no_traceback(name: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["lint", str(tmp_path / name)])
    assert result.exit_code == 1
    assert str(tmp_path) in result.stdout


def test_octets_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_bytes(b"a: \xff\xfe")
    result = CliRunner().invoke(app, ["lint", str(tmp_path / "x.yaml"), "--json"])
    assert result.exit_code == 1
    assert "octet 4 of it is 0xff" in json.loads(result.stdout)["problems"][0]["detail"]


def test_what_fills_up_is_told_with_its_line_as_the_guide_shows_and_is_no_problem() -> None:
    tight = TEXT.replace("first: 100, last: 149", "first: 100, last: 102")
    result = lint(tight)
    (said,) = (line for line in result.stdout.splitlines() if line.startswith("note "))
    assert (result.exit_code, f"\n    {said}\n" in GUIDE.read_text()) == (0, True)
    found = json.loads(lint(tight, "--json").stdout)
    assert [(one["pointer"], one["used"], one["most"]) for one in found["fills"]] == [("/vlan_pools/0", 3, 3)]
