"""Start a libvirt daemon in a mount namespace of its own, and without a KVM that does not work.

unshare --mount python -m tests.e2e.covered DIRECTORY kvm|tcg COMMAND...
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from causeway_lab.qemu import acceleration
from tests import libvirtd

_NODES = ("full", "net/tun", "null", "random", "tty", "urandom", "zero")


def hide_kvm(own: Path) -> None:
    """Have a /dev with what a daemon needs, and no other node: a KVM that is none is asked for each time."""
    own.mkdir(exist_ok=True)
    subprocess.run(("mount", "-t", "tmpfs", "tmpfs", str(own)), check=True)
    for name in _NODES:
        there = own / name
        there.parent.mkdir(exist_ok=True)
        there.touch()
        subprocess.run(("mount", "--bind", f"/dev/{name}", str(there)), check=True)
    for name in ("pts", "shm"):
        (own / name).mkdir()
        subprocess.run(("mount", "--bind", f"/dev/{name}", str(own / name)), check=True)
    (own / "ptmx").symlink_to("pts/ptmx")
    (own / "fd").symlink_to("/proc/self/fd")
    subprocess.run(("mount", "--rbind", str(own), "/dev"), check=True)


def main() -> None:
    """Cover, then become the command."""
    directory, accelerated, *command = sys.argv[1:]
    libvirtd.cover(Path(directory))
    # What it knows of running machines, and a lock that would keep another daemon here from starting.
    state, own = Path("/run/libvirt"), Path(directory) / "_run_libvirt"
    for place in (state, own):
        place.mkdir(exist_ok=True)
    subprocess.run(("mount", "--bind", str(own), str(state)), check=True)
    if accelerated != acceleration.KVM:
        hide_kvm(Path(directory) / "_dev")
    os.execvp(command[0], command)  # noqa: S606 - the command is the caller's


if __name__ == "__main__":
    main()
