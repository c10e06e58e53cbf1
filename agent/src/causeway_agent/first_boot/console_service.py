"""`python -m causeway_agent.first_boot.console_service ISSUE TTY...`: the page of the machine's consoles.

A process of its own for all of an appliance's life, so it loads nothing but what the page needs: a third less
memory than the command `causeway-agent console`, which shows the same page to a person.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path

from causeway_agent import settings
from causeway_agent.first_boot import console

RUN_DIRECTORY = Path("/run/causeway")


def main(words: Sequence[str]) -> None:
    """Keep the page in the file and on the terminals that are named."""
    issue, *terminals = map(Path, words)
    subject = console.Subject(settings=settings.DEFAULT_PATH, run_directory=RUN_DIRECTORY)
    console.show(subject, terminals=terminals, issue=issue, pause=time.sleep)


if __name__ == "__main__":
    main(sys.argv[1:])
