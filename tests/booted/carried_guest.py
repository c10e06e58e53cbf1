"""What runs in the booted appliance: two real agents in namespaces (`offload_world`), and traffic between two
machines behind them. What is asked is in `carried_questions`. Only Python's standard library is there.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks import offload_world as world

WORK = Path("/run/carried")
PYTHON = "/opt/causeway/bin/python"
VM = {4: "192.168.10.11", 6: "fd00:10::11"}
REPLICA = {4: "192.168.10.12", 6: "fd00:10::12"}
OTHER = "192.168.10.77"
"""An address on the replica's machine that is not failed over."""
ADDRESSES = (
    ("vm", "eth0", f"{VM[4]}/24", f"{VM[6]}/64"),
    ("gw", "pub", "203.0.113.10/24"),
    ("gw", "inside", "10.10.0.5/24"),
    ("rep", "eth0", "192.168.10.12/24", "fd00:10::12/64", f"{OTHER}/24"),
)
ENDS = ("tapp", "sapp")
PORT = 1195
"""Of the tunnel's server."""
PATIENCE = 900.0
"""Seconds; processors may be emulated, and busy."""


def tell(**facts: object) -> None:
    """One result."""
    sys.stdout.write(f"RESULT {json.dumps(facts)}\n")
    sys.stdout.flush()


class Agent:
    """The real agent of a machine, from its settings, with the document that is `document.json`."""

    def __init__(self, machine: str, given: dict[str, str]) -> None:
        self.machine = machine
        self.place = WORK / machine
        (self.place / "state/keys").mkdir(parents=True)
        for name, text in given.items():
            (self.place / name).write_text(_with_adapters(text, machine))
            (self.place / name).chmod(0o600)
        self._process = self._started()

    def _started(self) -> subprocess.Popen[bytes]:
        module = "tests.booted.carried_agent"
        command = (PYTHON, "-m", module, "settings.json", "document.json", "observed.json")
        with (self.place / "agent.log").open("ab") as log:
            return subprocess.Popen(
                ("ip", "netns", "exec", self.machine, *command),
                cwd=self.place,
                env={**os.environ, "PYTHONPATH": str(WORK / "source")},
                stdout=log,
                stderr=log,
            )

    def take(self, name: str) -> None:
        """Put another document in the place of the one in force, and wait until that is done."""
        generation = json.loads((self.place / name).read_text())["generation"]
        beside = self.place / "document.new"
        beside.write_bytes((self.place / name).read_bytes())
        beside.replace(self.place / "document.json")
        until(lambda: self._finished(generation), f"{name} at {self.machine}")

    def _finished(self, generation: int) -> bool:
        change = observed(self.machine).get("change", {})
        return bool(change.get("generation") == generation and change.get("finished"))

    def kill(self) -> None:
        """End it as a failure of memory would; what it supervised goes on."""
        self._process.kill()
        self._process.wait()

    def restart(self) -> None:
        """Start another one in its place."""
        (self.place / "observed.json").unlink()
        self._process = self._started()

    def end(self) -> None:
        """End it and its processes."""
        self._process.terminate()
        self._process.wait()
        for pid in openvpns(self.machine):
            os.kill(pid, signal.SIGKILL)


def _with_adapters(text: str, machine: str) -> str:
    """The text with the kernel's MAC addresses in the place of `@DEVICE@`."""
    rows = json.loads(world.ip(machine, "-j", "link", "show"))
    macs = {row["ifname"]: row["address"] for row in rows}
    return re.sub("@([a-z]+)@", lambda found: macs[found[1]], text)


def observed(machine: str) -> dict[str, Any]:
    """What the agent said last; empty before it said anything."""
    try:
        told: dict[str, Any] = json.loads((WORK / machine / "observed.json").read_text())
    except FileNotFoundError:
        return {}
    return told


def openvpns(machine: str) -> list[int]:
    """Processes of OpenVPN there that use UDP."""
    pids = world.ip(None, "netns", "pids", machine).split()
    found = []
    for pid in map(int, pids):
        with contextlib.suppress(OSError):
            name = Path(f"/proc/{pid}/comm").read_text().strip()
            place = Path(f"/proc/{pid}/cwd").resolve()
            udp = "proto udp" in (place / "openvpn.conf").read_text() if name == "openvpn" else False
            if udp:
                found.append(pid)
    return found


def until(done: Callable[[], object], what: str, *, patience: float = PATIENCE) -> float:
    """Seconds until it is so. Raises RuntimeError with what the agents said last."""
    began = time.monotonic()
    while not done():
        if time.monotonic() - began > patience:
            raise RuntimeError(f"{what}: not within {patience:g} s\n{_last_words()}")
        time.sleep(0.05)
    return time.monotonic() - began


def _last_words() -> str:
    words = []
    for machine in ENDS:
        words.append(f"--- {machine}: {json.dumps(observed(machine))[:6000]}")
        logs = ((WORK / machine).glob("agent.log"), (WORK / machine).glob("run/vpn-*/output.log"))
        words += [f"{log}\n" + log.read_text(errors="replace")[-3000:] for found in logs for log in found]
        for question in (("addr",), ("rule",), ("route", "show", "table", "all"), ("-6", "rule")):
            words.append(world.ip(machine, *question, check=False)[:3000])
    return "\n".join(words)


def passes(version: int = 4, *, patience: float = PATIENCE) -> float | None:
    """Seconds until a packet came to the replica and an answer back."""
    return world.first_answer(version, patience=patience, far=REPLICA)


def kinds(machine: str) -> dict[str, str | None]:
    """The kinds of its devices."""
    links = json.loads(world.ip(machine, "-j", "-d", "link", "show"))
    return {row["ifname"]: row.get("linkinfo", {}).get("info_kind") for row in links}


def made(machine: str) -> list[str]:
    """Devices there whose packets the kernel carries."""
    return sorted(name for name, kind in kinds(machine).items() if kind == "ovpn")


def tunnel(machine: str) -> dict[str, Any]:
    """What the agent says of its tunnel; empty before it said anything."""
    told: list[dict[str, Any]] = observed(machine).get("observed", {}).get("tunnels", [])
    return told[0] if told else {}


def carried(what: str) -> None:
    """Who carries the tunnel at each end, with which rights, on which kind of device."""
    for machine in ENDS:
        told = tunnel(machine)
        (pid,) = openvpns(machine)
        status = Path(f"/proc/{pid}/status").read_text()
        rights = {name: int(value, 16) for name, value in re.findall(r"(Cap\w+):\s*([0-9a-f]+)", status)}
        tell(
            what=what,
            end=machine,
            carrier=told["carrier"],
            why_not=told["no_offload"],
            transport=told["transport"],
            repairs=observed(machine)["observed"]["drift"]["repairs"],
            rights=rights,
            user=int(re.findall(r"Uid:\s+(\d+)", status)[0]),
            devices=made(machine),
        )


def isolated() -> None:
    """What is not failed over stays where it is; beside it, what is passes."""
    with world.inside("rep"):
        control = _ping(REPLICA[4])
        other = _ping(OTHER)
    tell(what="isolated", control=control, other=other)


def _ping(source: str) -> bool:
    command = ("ping", "-n", "-c", "3", "-i", "0.3", "-W", "2", "-I", source, "192.168.10.11")
    return subprocess.run(command, check=False, stdout=subprocess.DEVNULL).returncode == 0


def restarts(times: int, *, carrier: str) -> None:
    """Kill OpenVPN at each end, so that its device stays behind: how long until a packet passes again."""
    for machine in ENDS:
        for number in range(times):
            (pid,) = openvpns(machine)
            os.kill(pid, signal.SIGKILL)
            until(lambda gone=pid: not Path(f"/proc/{gone}").exists(), "killed")  # type: ignore[misc]
            took = passes()
            tell(what="restart", carrier=carrier, end=machine, number=number, passed=took)
            if took is None:
                sys.stdout.write(_last_words())
            until(settled, "everything as it should be")


def settled() -> bool:
    """Whether both agents have nothing to repair and one tunnel process over UDP."""
    return all(
        observed(machine).get("observed", {}).get("state") == "ready" and len(openvpns(machine)) == 1
        for machine in ENDS
    )


@contextlib.contextmanager
def failed_over(files: dict[str, dict[str, str]]) -> Iterator[dict[str, Agent]]:
    """Both ends, a machine failed over between them, while the block runs."""
    world.build(ADDRESSES, (), server_port=PORT)
    agents: dict[str, Agent] = {}
    with contextlib.ExitStack() as stack:
        for machine in reversed(ENDS):
            agents[machine] = Agent(machine, files[machine])
            stack.callback(agents[machine].end)
        for machine in reversed(ENDS):
            until(lambda end=machine: observed(end).get("change", {}).get("finished"), f"change at {machine}")  # type: ignore[misc]
            state = observed(machine)["change"]["state"]
            tell(what="change", end=machine, state=state)
            if state != "done":
                raise RuntimeError(f"the change at {machine} is {state}\n{_last_words()}")
        for version in (4, 6):
            tell(what="passes", version=version, passed=passes(version))
        until(settled, "everything as it should be")
        yield agents
