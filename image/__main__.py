"""`python -m image`: build the appliance's disk image, look into it, boot it."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from causeway_lab import programs
from image import boot, boots, builder, hardening
from image.flavour import FLAVOURS, STABLE
from image.workshop import ROOT, BuildError, Workshop, inputs_of_checkout

ACCELERATION = "what executes the machine; auto takes KVM where a probe has just booted with it"


def main() -> int:
    """Run one command; the exit code is 0 only if it did what it says."""
    parser = argparse.ArgumentParser(prog="python -m image", description=__doc__)
    parser.add_argument(
        "--flavour", choices=sorted(FLAVOURS), default=STABLE.name, help="which image (stable)"
    )
    parser.add_argument("--build", type=Path, help="scratch directory (build/image; another flavour's own)")
    parser.add_argument("--dist", type=Path, help="where finished files go (dist; another flavour's own)")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, command, about in (
        ("build", builder.build, "the whole image, through the gate into dist"),
        ("build-ungated", builder.build_ungated, "the whole image, into dist though nobody has booted it"),
        ("disk", builder.pack, "the same from the last root file system, without making that anew"),
        ("test", builder.judge, "the gate: boot a copy of what is in dist and test it"),
        ("lock", builder.lock, "take the newest allowed wheels into agent-requirements.txt"),
        ("sizes", builder.sizes, "what weighs what in the last build"),
        (
            "hardening",
            hardening.record,
            "have lynis and systemd-analyze judge the last build; write its page",
        ),
        ("hardening-check", hardening.check, "the same without writing it"),
        ("reproducible", builder.reproducible, "build twice and compare"),
    ):
        commands.add_parser(name, help=about).set_defaults(command=_with_workshop(command))
    _boot_parser(commands.add_parser("boot", help="boot an image until the agent and SSH answer"))
    _boots_parser(
        commands.add_parser("boots", help="boot the files in dist on hardware like each hypervisor's")
    )
    options = parser.parse_args()
    flavour = FLAVOURS[options.flavour]
    options.build = options.build or flavour.build(ROOT)
    options.dist = options.dist or flavour.dist(ROOT)
    programs.find_system_programs()
    # As an exception, so that what was started ends first.
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    try:
        options.command(options)
    except (BuildError, boot.NotUpError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _with_workshop(command: Callable[[Workshop], None]) -> Callable[[argparse.Namespace], None]:
    def run(options: argparse.Namespace) -> None:
        if os.geteuid() != 0:
            raise BuildError("image: needs root, for the owners of files in the image: sudo make image")
        command(
            Workshop(
                inputs=inputs_of_checkout(),
                build=options.build.resolve(),
                dist=options.dist.resolve(),
                flavour=FLAVOURS[options.flavour],
            )
        )

    return run


def _boot_parser(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "image", type=Path, nargs="?", help="qcow2, VMDK, VHDX or raw; the qcow2 in dist unless given"
    )
    parser.add_argument("--firmware", choices=("uefi", "secure", "bios"), default="uefi")
    parser.add_argument("--disk", choices=("virtio", "pvscsi", "ide"), default="virtio")
    parser.add_argument(
        "--adapter", default="virtio-net-pci", help="model of the network adapter, as QEMU names it"
    )
    parser.add_argument("--memory", type=int, default=1024, help="MiB (1024)")
    parser.add_argument("--accelerator", choices=("auto", "kvm", "tcg"), default="auto", help=ACCELERATION)
    parser.add_argument("--seconds", type=float, default=300.0, help="longest time until SSH answers")
    parser.add_argument("--command", dest="asked", default=boot.SHOW, help="what to run there over SSH")
    parser.set_defaults(command=_boot)


def _boot(options: argparse.Namespace) -> None:
    image = options.image or next(iter(sorted(options.dist.glob("causeway-*.qcow2"))), None)
    if image is None:
        raise BuildError("image: no image: make image")
    machine = boot.Machine(
        firmware=options.firmware,
        disk=options.disk,
        adapter=options.adapter,
        mebibytes=options.memory,
        acceleration=boot.choose(options.accelerator),
        seconds=options.seconds,
    )
    with boot.booted(image, machine) as found:
        print(found.run(options.asked), end="")
    kind = f"{options.firmware}, {options.disk}"
    print(f"image: {image.name} booted ({kind}): API {found.api:.0f} s, SSH {found.ssh:.0f} s")


def _boots_parser(parser: argparse.ArgumentParser) -> None:
    names = ", ".join(kind.name for kind in boots.KINDS)
    parser.add_argument("kinds", nargs="*", help=f"of {names}; all unless named")
    parser.add_argument("--accelerator", choices=("auto", "kvm", "tcg"), default="auto", help=ACCELERATION)
    parser.set_defaults(command=_boots)


def _boots(options: argparse.Namespace) -> None:
    known = {kind.name: kind for kind in boots.KINDS}
    if unknown := set(options.kinds) - set(known):
        raise BuildError(f"image-boots: no kind {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    kinds = tuple(known[name] for name in options.kinds or known)
    if not boots.run(options.dist, options.build, kinds, boot.choose(options.accelerator)):
        raise BuildError("image-boots: not every kind of machine came up")


if __name__ == "__main__":
    sys.exit(main())
