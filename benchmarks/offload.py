"""Tunnels that the kernel carries against tunnels that a process carries, inside one booted appliance.

The image's flavour `offload` boots; namespaces in it are the machines of a path, and its own kernel and
OpenVPN do the work (`offload_guest`). Tunnels of that kernel that are not OpenVPN's (`offload_others`) say
what any could cost there, plain forwarding over the same machines what remains when one costs nothing. With
KVM, times are times. Emulated, they would tell how well a processor is emulated and who else uses it: there
QEMU counts the instructions that the machine executes and moves its clock by one nanosecond for each
(-icount), so that whatever the machine measures in seconds is a count of instructions, the same on any
host. It has one processor then: of two that take turns, one that waits for its turn would count the other's
instructions as its own work. What that cannot show: what an instruction costs (an AES round and an addition
count the same), caches, and two processors working at once.
"""

from __future__ import annotations

import argparse
import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from benchmarks import offload_bare, report
from benchmarks.offload_guest import DONE
from benchmarks.tunnel import credentials
from causeway_lab.qemu.acceleration import KVM, Acceleration
from image import boot
from image.flavour import OFFLOAD
from image.workshop import ROOT

PARTS = ("__init__.py", "offload_guest.py", "offload_others.py", "offload_world.py")
"""Of this directory, what runs in the machine."""
PLACE = "/run/bench-offload.pyz"
SECONDS = {"kvm": 5.0, "tcg": 0.25}
"""Of each measurement, by the machine's clock."""
LONGEST = 1500.0
"""Seconds until the machine is up, on busy processors that emulate it."""
ROUNDS = 3
"""Of all kinds, one after the other; a figure is the median."""
RESTARTS = 3
KINDS = ("forwarding", "user space", "offload", "WireGuard", "ESP in UDP")
"""As the machine's part tells them."""
BY_KERNEL = KINDS[2:]
_REASON = {
    "offload": "the same tunnel by its process, forwarding at both ends included",
    "WireGuard": "OpenVPN by its process; another cipher and no certificates",
    "ESP in UDP": "OpenVPN by its process; the same cipher, keys by hand, no device",
}
"""What each of those is compared with, and what is left out of it."""
TARGET = 4.0
_DROP = (
    *("setpriv", "--reuid", "causeway-vpn", "--regid", "causeway-vpn", "--clear-groups", "--no-new-privs"),
    *("--inh-caps=-all,+net_admin", "--ambient-caps=-all,+net_admin", "--bounding-set=-all,+net_admin", "--"),
)
"""OpenVPN runs as its own user and keeps the one right without which it cannot make its device."""
_MILLION = 1e6


class Counted(Acceleration):
    """Emulation whose clock counts instructions: one thread, one nanosecond for each."""

    @property
    def options(self) -> tuple[str, ...]:
        """QEMU's words for it."""
        return ("-accel", "tcg,thread=single,tb-size=256", "-icount", "shift=0,sleep=off", "-cpu", "Westmere")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and publish; the exit code is 0 whatever the figures are."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.offload", description=__doc__)
    parser.add_argument("--image", type=Path, help="the newest in dist/offload unless given")
    parser.add_argument("--jobs", default="compare,restarts", help="compare, restarts (both)")
    parser.add_argument(
        "--bare", action="store_true", help="of this checkout's build, without the appliance's own services"
    )
    parser.add_argument("--seconds", type=float, help="of each measurement, by the machine's clock")
    options = parser.parse_args(arguments)
    image = options.image or next(iter(sorted(OFFLOAD.dist(ROOT).glob("causeway-*.qcow2"))[-1:]), None)
    if image is None:
        print("bench-offload: there is no such image yet: make image FLAVOUR=offload", file=sys.stderr)
        return 1
    chosen = boot.choose("auto")
    if chosen.name != KVM:
        chosen = Counted(name=chosen.name, reason=f"{chosen.reason}; instructions are counted")
    # BIOS: what starts the kernel is nothing that is measured, and emulated it takes minutes.
    processors = 2 if chosen.name == KVM else 1
    given = asked(options.jobs.split(","), options.seconds or SECONDS[chosen.name])
    print(f"bench-offload: {chosen.name}: {chosen.reason}", flush=True)
    if options.bare:
        system = OFFLOAD.build(ROOT) / "disk/esp"
        told = offload_bare.lines(image, system, packed(given), acceleration=chosen, processors=processors)
        results = collected(told)
    else:
        machine = boot.Machine(acceleration=chosen, seconds=LONGEST, firmware="bios", processors=processors)
        with boot.booted(image, machine) as up:
            print(f"bench-offload: {up.run('uname -r; openvpn --version | head -n 1')}", flush=True)
            results = collected(lines(up.login, packed(given)))
    publish(results, counted=chosen.name != KVM)
    return 0


def asked(jobs: Sequence[str], seconds: float) -> dict[str, object]:
    """What the machine's part is given."""
    return {
        "files": credentials().files,
        "user": _DROP,
        "wireguard": wireguard_keys(),
        "jobs": jobs,
        "seconds": seconds,
        "rounds": ROUNDS,
        "restarts": RESTARTS,
    }


def lines(login: tuple[str, ...], archive: bytes) -> Iterator[str]:
    """What the guest's part prints in a machine that is up; raises RuntimeError when it fails."""
    with subprocess.Popen(
        [*login, f"cat > {PLACE} && exec python3 -u {PLACE}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as there:
        sent, told = there.stdin, there.stdout
        if sent is None or told is None:
            raise RuntimeError("there is no way to the machine")
        with sent:
            sent.write(archive)
        for line in told:
            yield line.decode().rstrip()
    if there.returncode:
        raise RuntimeError(f"the machine's part ended with {there.returncode}")


def collected(told: Iterable[str]) -> list[dict[str, object]]:
    """Its results, and everything on the terminal. Raises RuntimeError when it did not get to its end."""
    results, ended = [], False
    for line in told:
        if line.startswith("RESULT "):
            results.append(json.loads(line.removeprefix("RESULT ")))
        ended |= line == DONE
        print(f"bench-offload: {line}", flush=True)
    if not ended:
        raise RuntimeError("the machine's part did not get to its end")
    return results


def wireguard_keys() -> dict[str, tuple[str, str]]:
    """Of both ends by machine: its private key and the other end's public one, in hexadecimal digits."""
    keys = {machine: X25519PrivateKey.generate() for machine in ("tapp", "sapp")}
    others = {"tapp": keys["sapp"], "sapp": keys["tapp"]}
    return {
        machine: (key.private_bytes_raw().hex(), others[machine].public_key().public_bytes_raw().hex())
        for machine, key in keys.items()
    }


def packed(given: Mapping[str, object]) -> bytes:
    """The machine's part as one archive that Python runs, with what is asked of it inside."""
    words = f"json.loads({json.dumps(given)!r})"
    start = f"import json\nfrom benchmarks import offload_guest\noffload_guest.main({words})\n"
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as whole:
        for name in PARTS:
            whole.writestr(f"benchmarks/{name}", Path(__file__).with_name(name).read_bytes())
        whole.writestr("__main__.py", start)
    return archive.getvalue()


def publish(results: Sequence[Mapping[str, object]], *, counted: bool) -> None:
    """The table and its file: what a packet costs, and how the tunnels compare."""
    figures = []
    flows_of = [r for r in results if r["what"] == "flow"]
    costs, switched = _rounds(flows_of, cost), _rounds(flows_of, switches)
    unit = "thousand instructions" if counted else "us of processor"
    for version, flows in sorted({key[:2] for key in costs}):
        rounds = tuple(zip(*(costs[version, flows, kind] for kind in KINDS), strict=True))
        where = f"IPv{version}, {flows} flow{'s' if flows > 1 else ''}"
        for kind in KINDS:
            each = costs[version, flows, kind]
            figures.append(report.figure(f"{where}: a packet, {kind}", each, unit, better="lower"))
            changes = switched[version, flows, kind]
            figures.append(
                report.figure(f"{where}: changes of process, {kind}", changes, "a packet", better="lower")
            )
        for kind in BY_KERNEL:
            bare, process, kernel = (costs[version, flows, each] for each in (*KINDS[:2], kind))
            rounds = tuple(zip(bare, process, kernel, strict=True))
            figures.append(
                report.figure(
                    f"{where}: per processor second, {kind} / user space",
                    [process / kernel for _, process, kernel in rounds],
                    "ratio",
                    target=TARGET,
                    better="higher",
                    compared_with=_REASON[kind],
                )
            )
            figures.append(
                report.figure(
                    f"{where}: the tunnel alone, {kind}",
                    [(process - bare) / (kernel - bare) for bare, process, kernel in rounds],
                    "ratio",
                    better="higher",
                    compared_with="both without what plain forwarding costs",
                )
            )
    restarts = [r for r in results if r["what"] == "restart"]
    for end in sorted({str(r["end"]) for r in restarts}):
        mine = [r["passed"] for r in restarts if r["end"] == end]
        passed = [float(str(value)) for value in mine if value is not None]
        figures.append(
            report.figure(f"{end} killed: passed again", [len(passed)], f"of {len(mine)}", better="higher")
        )
        if passed:
            figures.append(report.figure(f"{end} killed: first packet after", passed, "s", better="lower"))
    report.publish("offload", figures)


def _rounds(
    results: Sequence[Mapping[str, object]], of: Callable[[Mapping[str, object]], float]
) -> dict[tuple[int, int, str], list[float]]:
    """This of each round, by IP version, number of flows and kind."""
    found: dict[tuple[int, int, str], list[float]] = {}
    for result in results:
        key = (int(str(result["version"])), int(str(result["flows"])), str(result["kind"]))
        found.setdefault(key, []).append(of(result))
    return found


def cost(result: Mapping[str, object]) -> float:
    """What a packet costs from VM to replica, in microseconds of the machine's processors."""
    return float(str(result["busy"])) * _MILLION / float(str(result["packets"]))


def switches(result: Mapping[str, object]) -> float:
    """How often processors change from one process to another for a packet."""
    return float(str(result["switches"])) / float(str(result["packets"]))


if __name__ == "__main__":
    sys.exit(main())
