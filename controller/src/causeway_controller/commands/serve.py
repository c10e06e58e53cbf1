"""The command `causeway serve`."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

from causeway_controller.commands.ending import CONFIG, read_settings, told


def serve(config: Annotated[Path | None, CONFIG] = None) -> None:
    """Run the controller until it is told to stop (SIGTERM).

    Without `tls.listen` in the settings it serves its Unix socket and nothing else. It refuses to start on a
    store without the tables of this version: `causeway setup` brings them. SIGHUP reads the certificate anew.
    """
    from causeway_controller.app import conducting, heap, logs, serving  # noqa: PLC0415 - it takes half a second

    heap.share()
    with told():
        settings = read_settings(config)
        logs.configure(settings.log_format, settings.log_level)
        asyncio.run(serving.serve(settings, conducting.conduct))
