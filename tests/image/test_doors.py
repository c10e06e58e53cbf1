"""What listens, and who may log in. docs/reference/ports.md is what it is held against."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from image.subject import ADDRESS, PORT, Subject

if TYPE_CHECKING:
    from testinfra.host import Host

pytestmark = pytest.mark.booted

CLOCK = 'users:(("systemd-timesyn",'


def listening(host: Host) -> set[tuple[str, str]]:
    """Protocol and local address of every socket that takes connections or datagrams.

    Besides the clock's: while it waits for a time server's answer it has a socket that is not connected, at
    a port of the kernel's choice, and takes nothing from anybody else (systemd-timesyncd,
    manager_receive_response).
    """
    lines = (line for line in host.check_output("ss -H -tulnp").splitlines() if CLOCK not in line)
    return {(words[0], words[4]) for words in map(str.split, lines)}


def test_nothing_listens_but_the_agent_and_ssh_on_the_management_address(host: Host) -> None:
    assert listening(host) == {("tcp", f"{ADDRESS}:22"), ("tcp", f"{ADDRESS}:{PORT}")}


def test_nothing_listens_to_the_hypervisor_past_the_packet_filter(host: Host) -> None:
    assert host.check_output("ss -H -l --vsock") == ""
    assert host.check_output("ss -H -w -n -a") == ""


def test_each_door_belongs_to_the_program_that_is_documented(host: Host) -> None:
    lines = host.check_output("ss -H -tlnp").splitlines()
    owners = {line.split()[3]: line.partition('users:(("')[2].partition('"')[0] for line in lines}
    assert owners[f"{ADDRESS}:22"] == "sshd"
    pid = host.check_output("systemctl show -p MainPID --value causeway-agent")
    assert f"pid={pid}," in next(line for line in lines if f"{ADDRESS}:{PORT} " in line)


def test_ssh_takes_keys_of_root_and_nothing_else(host: Host) -> None:
    effective = dict(
        line.split(" ", 1) for line in host.check_output("sshd -T -C user=root").splitlines() if " " in line
    )
    wanted = {
        "passwordauthentication": "no",
        "kbdinteractiveauthentication": "no",
        "pubkeyauthentication": "yes",
        "authenticationmethods": "publickey",
        "permitrootlogin": "without-password",
        "permitemptypasswords": "no",
        "hostbasedauthentication": "no",
        "gssapiauthentication": "no",
        "allowtcpforwarding": "no",
        "allowagentforwarding": "no",
        "allowstreamlocalforwarding": "no",
        "permittunnel": "no",
        "x11forwarding": "no",
        "listenaddress": f"{ADDRESS}:22",
        "allowusers": "root",
    }
    assert {name: effective[name] for name in wanted} == wanted


def test_a_password_is_not_even_asked_for(host: Host, machine: Subject) -> None:
    said = _login(host, machine, "-o", "PubkeyAuthentication=no", "-o", "PreferredAuthentications=password")
    assert "Permission denied (publickey)" in said


def test_a_strangers_key_is_refused(host: Host, machine: Subject) -> None:
    key = machine.directory / "stranger"
    if not key.exists():
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    said = _login(host, machine, "-o", "IdentitiesOnly=yes", "-i", str(key))
    assert "Permission denied (publickey)" in said


def test_no_account_has_a_password(host: Host) -> None:
    shadow = [line.split(":") for line in host.file("/etc/shadow").content_string.splitlines()]
    assert {fields[1] for fields in shadow} <= {"*", "!", "!*"}
    shells = [line.split(":") for line in host.file("/etc/passwd").content_string.splitlines()]
    able = {fields[0] for fields in shells if not fields[6].endswith(("nologin", "false", "/bin/sync"))}
    assert able == {"root"}
    assert {fields[0] for fields in shells if fields[2] == "0"} == {"root"}


def test_no_login_waits_on_a_console(host: Host) -> None:
    lines = host.check_output(
        "systemctl list-units 'getty@*' 'serial-getty@*' --no-legend --plain --state=active"
    )
    assert lines == ""
    assert host.run("pgrep agetty").rc == 1


def test_the_console_shows_who_the_machine_is(host: Host, machine: Subject) -> None:
    page = host.check_output("causeway-agent console --once")
    assert "gate, provider" in page
    key = host.check_output("ssh-keygen -lf /state/ssh/ssh_host_ed25519_key.pub").split()[1]
    assert key in page
    assert "Causeway network extension appliance" in (machine.directory / "console.log").read_text(
        errors="replace"
    )


def _login(host: Host, machine: Subject, *options: str) -> str:
    """What ssh says that did not get in; raises AssertionError when it did."""
    finished = subprocess.run(
        [
            *("ssh", "-F", str(machine.directory / "ssh_config"), "-o", "ControlPath=none"),
            *("-p", str(host.backend.host.port), *options, "root@127.0.0.1", "true"),
        ],
        check=False,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=60,
    )
    assert finished.returncode != 0
    return finished.stderr
