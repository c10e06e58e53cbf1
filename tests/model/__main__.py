"""Checks the protocol of a partial failover in its model, and that every law of it is needed.

Usage: python -m tests.model [--controllers N]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.model.checking import LAWS, ModelError, check


def main() -> int:
    """Tell of the protocol, and of it without each of its laws; 1 when one is not as it should be."""
    parser = argparse.ArgumentParser(prog="make model", description=__doc__)
    parser.add_argument(
        "--controllers", type=int, default=2, help="how many take the run over, one by one (%(default)s)"
    )
    controllers = parser.parse_args().controllers
    wrong = 0
    with tempfile.TemporaryDirectory() as place:
        for law in (None, *LAWS):
            try:
                found = check(Path(place), without=law, controllers=controllers)
            except ModelError as error:
                _say(f"model: {error}")
                return 1
            expected = (law is None) == (found.broken is None)
            wrong += not expected
            name = "all laws" if law is None else f"without {law}"
            result = "holds" if found.broken is None else f"broken: {found.broken}"
            _say(
                f"{name:16}{found.states:>12,} states  {result}{'' if expected else '  NOT AS IT SHOULD BE'}"
            )
    _say("model: " + (f"{wrong} wrong" if wrong else "with all laws it holds, and every law is needed"))
    return 1 if wrong else 0


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
