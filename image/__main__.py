"""`python -m image`: build the appliance's disk image, look into it, boot it."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from image import boot, builder
from image.workshop import ROOT, BuildError, Workshop, inputs_of_checkout


def main() -> int:
    """Run one command; the exit code is 0 only if it did what it says."""
    parser = argparse.ArgumentParser(prog="python -m image", description=__doc__)
    parser.add_argument("--build", type=Path, default=ROOT / "build/image", help="scratch directory")
    parser.add_argument("--dist", type=Path, default=ROOT / "dist", help="where finished files go")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, command, about in (
        ("build", builder.build, "the whole image, through the gate into dist"),
        ("build-ungated", builder.build_ungated, "the whole image, into dist though nobody has booted it"),
        ("disk", builder.pack, "the same from the last root file system, without making that anew"),
        ("test", builder.judge, "the gate: boot a copy of what is in dist and test it"),
        ("lock", builder.lock, "take the newest allowed wheels into agent-requirements.txt"),
        ("sizes", builder.sizes, "what weighs what in the last build"),
        ("reproducible", builder.reproducible, "build twice and compare"),
    ):
        commands.add_parser(name, help=about).set_defaults(command=_with_workshop(command))
    _boot_parser(commands.add_parser("boot", help="boot an image until the agent and SSH answer"))
    options = parser.parse_args()
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
        command(Workshop(inputs=inputs_of_checkout(), build=options.build, dist=options.dist))

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
    parser.add_argument("--accelerator", default="tcg", help="kvm where it works")
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
        accelerator=options.accelerator,
        seconds=options.seconds,
    )
    api, ssh, shown = boot.boot(image, machine, options.asked)
    print(shown, end="")
    print(
        f"image: {image.name} booted ({options.firmware}, {options.disk}): API {api:.0f} s, SSH {ssh:.0f} s"
    )


if __name__ == "__main__":
    sys.exit(main())
