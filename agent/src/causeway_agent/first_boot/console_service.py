"""`python -m causeway_agent.first_boot.console_service ISSUE TTY...`: the page of the machine's consoles.

Brings it up to date, once. An appliance does so in every minute of its life (`keep-page` of the image), so it
loads nothing but what the page needs: a third less memory than the command `causeway-agent console`, which
shows the same page to a person.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from causeway_agent import settings
from causeway_agent.first_boot import console

RUN_DIRECTORY = Path("/run/causeway")


def main(words: Sequence[str]) -> None:
    """Put the page of now into the file and on the terminals that are named."""
    issue, *terminals = map(Path, words)
    subject = console.Subject(settings=settings.DEFAULT_PATH, run_directory=RUN_DIRECTORY)
    console.renew(subject, terminals=terminals, issue=issue)


if __name__ == "__main__":
    main(sys.argv[1:])
