"""What is asked of a tunnel that the kernel carries, in one booted machine, each question with its control.

One that cannot be asked is told, and the next one is asked.
"""

from __future__ import annotations

import socket
import subprocess
import time
import traceback
from pathlib import Path
from typing import Any

from benchmarks import offload_world as world
from tests.booted import carried_credentials as credentials
from tests.booted import carried_guest as guest
from tests.booted import carried_healing, carried_lines
from tests.booted import carried_packets as packets
from tests.booted.carried_watch import Watch

OTHER = {4: "10.77.0.5", 6: "fd00:77::5"}
"""Of a network that is not the tunnel's."""
BESIDE = {4: guest.OTHER, 6: "fd00:10::77"}
"""On the replica's machine, and not failed over."""
COUNT = 20
SOON = 10.0
"""Seconds in which something comes there if it comes at all."""
WHILE = 3.0
"""Seconds for which packets pass before something happens."""
MODULES = Path("/run/modprobe.d")


class Asked:
    """The two agents, and what they were given."""

    def __init__(self, agents: dict[str, guest.Agent], given: dict[str, Any]) -> None:
        self.agents = agents
        self.given = given

    def rights(self) -> None:
        """By whom, with which rights; what is not failed over stays where it is."""
        guest.carried("carried")
        guest.isolated()

    def forged(self) -> None:
        """What the replica's machine sends into the tunnel as somebody else, and what a taken-over appliance
        of the tenant sends past its packet filter to who is not failed over. A replica may hear anybody, as
        its way to the internet leads through production.
        """
        (device,) = guest.made("tapp")
        for version, length in ((4, 32), (6, 128)):
            vm, replica, strange = guest.VM[version], guest.REPLICA[version], OTHER[version]
            ours = tuple(f"{address}/{length}" for address in (strange, BESIDE[version]))
            for address in ours:
                world.ip("rep", "addr", "add", address, "dev", "eth0", check=False)
            with packets.listening("vm") as ear:
                for number in range(COUNT):
                    packets.say("rep", (strange, BESIDE[version])[number % 2], vm, b"forged")
                packets.say("rep", replica, vm, b"honest")
                _tell_heard("source", version, packets.heard(ear, SOON, until=b"honest"))
            with packets.listening("rep") as ear:
                for number in range(COUNT):
                    to = (strange, BESIDE[version])[number % 2]
                    packets.send("tapp", device, packets.datagram(vm, to, b"forged"))
                packets.send("tapp", device, packets.datagram(vm, replica, b"honest"))
                _tell_heard("destination", version, packets.heard(ear, SOON, until=b"honest"))
            for address in ours:
                # Answers would come from there: it is nearer to who asked, as the kernel counts.
                world.ip("rep", "addr", "del", address, "dev", "eth0", check=False)

    def sizes(self) -> None:
        """The path's size over a line of full size, and what TCP is told of it, both ways."""
        guest.until(lambda: all(guest.tunnel(end).get("path") for end in guest.ENDS), "known sizes")
        for end in guest.ENDS:
            guest.tell(what="path", end=end, **guest.tunnel(end)["path"])
        for version in (4, 6):
            for asks, there, to in (("vm", "rep", guest.REPLICA[version]), ("rep", "vm", guest.VM[version])):
                guest.tell(what="segments", version=version, asks=asks, **_segments(asks, there, to))

    def revoked(self) -> None:
        """The client's certificate is revoked while packets pass, and taken back."""
        with Watch() as watch:
            time.sleep(WHILE)
            before = watch.answers
            began = time.monotonic()
            self.agents["sapp"].take("document-revoked.json")
            applied = time.monotonic() - began
            time.sleep(credentials.LONG)
            last = watch.last(began)
        why = guest.tunnel("sapp").get("last_error")
        passed = guest.passes(4, patience=SOON)
        self.agents["sapp"].take("document-again.json")
        guest.tell(
            what="revoked",
            control=before,
            applied=applied,
            last=last,
            passed=passed,
            why=why,
            back=guest.passes(4),
        )
        guest.until(guest.settled, "everything as it should be")

    def stolen(self) -> None:
        """Who may not come in, and who may."""
        credentials.stolen(self.agents["tapp"])

    def replayed(self) -> None:
        """Copies of the tunnel's packets."""
        credentials.replayed()

    def rekeyed(self) -> None:
        """New keys of the session."""
        credentials.rekeyed()

    def renewed(self) -> None:
        """New keys and certificates of both ends."""
        credentials.renewed(self.agents)

    def lines(self) -> None:
        """Bad lines below the tunnel."""
        carried_lines.lines()

    def restarts(self) -> None:
        """Killed processes at each end, carried by the kernel."""
        guest.restarts(self.given["restarts"], carrier="kernel")

    def vanished(self) -> None:
        """The device is taken away from under its process."""
        carried_healing.vanished()

    def leftovers(self) -> None:
        """A device without a process, and without an agent that knows of it."""
        carried_healing.leftovers(self.agents)

    def declined(self) -> None:
        """The kernel's module goes and cannot come back: OpenVPN carries the packets, by itself; killed
        processes then beside those before.
        """
        MODULES.mkdir(exist_ok=True)
        place = MODULES / "no-ovpn.conf"
        place.write_text("install ovpn /bin/false\n")
        subprocess.run(("rmmod", "ovpn"), check=True)
        began = time.monotonic()
        guest.until(
            lambda: all(guest.tunnel(end).get("carrier") == "process" for end in guest.ENDS),
            "carried by processes",
        )
        guest.until(guest.settled, "everything as it should be")
        guest.tell(what="declined", took=time.monotonic() - began)
        for version in (4, 6):
            guest.tell(what="flow", version=version, passed=guest.passes(version))
        guest.carried("instead")
        guest.restarts(self.given["restarts"], carrier="process")
        # Another configuration is planned then, as the module has gone.
        one = self.agents["sapp"]
        before = guest.openvpns("sapp")
        one.kill()
        one.restart()
        guest.until(guest.settled, "sapp taken up again")
        guest.tell(what="anew", same=before == guest.openvpns("sapp"), **guest.tunnel("sapp"))


def _tell_heard(what: str, version: int, heard: list[bytes]) -> None:
    """The honest one was said last."""
    guest.tell(
        what="forged",
        of=what,
        version=version,
        control=b"honest" in heard,
        forged=heard.count(b"forged"),
    )


def _segments(asks: str, there: str, to: str) -> dict[str, list[int]]:
    """What first packets of a connection tell, at the end that asks and at the other one."""
    with world.inside(there):
        listener = socket.create_server(("", world.PORT), family=world.FAMILIES[6 if ":" in to else 4])
    with listener, packets.wire(asks, "eth0") as here, packets.wire(there, "eth0") as far:
        with world.inside(asks):
            asking = socket.create_connection((to, world.PORT), timeout=guest.PATIENCE)
        with asking:
            near, distant = packets.frames(here), packets.frames(far)
    return {
        f"{name}_{where}": packets.segments(seen, world.PORT, answer=name == "answer")
        for name in ("question", "answer")
        for where, seen in (("near", near), ("far", distant))
    }


def ask(agents: dict[str, guest.Agent], given: dict[str, Any]) -> None:
    """All questions that are asked for, in their order."""
    asked = Asked(agents, given)
    for name in given["questions"]:
        try:
            getattr(asked, name)()
        except Exception:  # noqa: BLE001 - the others are asked all the same
            guest.tell(what="failed", question=name, why=traceback.format_exc()[-6000:])


def main(given: dict[str, Any]) -> None:
    """Fail a machine over through a tunnel that the kernel carries, and ask all that is asked for."""
    with guest.failed_over(given["files"]) as agents:
        ask(agents, given)
