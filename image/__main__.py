"""`python -m image`: build the appliance's disk image, look into it, boot it."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from image import builder
from image.workshop import ROOT, BuildError, Workshop, inputs_of_checkout


def main() -> int:
    """Run one command; the exit code is 0 only if it did what it says."""
    parser = argparse.ArgumentParser(prog="python -m image", description=__doc__)
    parser.add_argument("--build", type=Path, default=ROOT / "build/image", help="scratch directory")
    parser.add_argument("--dist", type=Path, default=ROOT / "dist", help="where finished files go")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, command, about in (
        ("build", builder.build, "the whole image, into dist"),
        ("lock", builder.lock, "take the newest allowed wheels into agent-requirements.txt"),
    ):
        commands.add_parser(name, help=about).set_defaults(command=command)
    options = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("image: needs root, for the owners of files in the image: sudo make image")
    shop = Workshop(inputs=inputs_of_checkout(), build=options.build, dist=options.dist)
    try:
        options.command(shop)
    except BuildError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
