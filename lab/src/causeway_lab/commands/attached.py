"""What is attached to the command `causeway`: the lab, which is loaded once it is wanted."""

from __future__ import annotations

from typing import Final

from causeway_controller.cli.later import Later

lab: Final = Later(
    module="causeway_lab.commands.whole",
    name="lab",
    says="Both sites on this machine, to try and to prove it.",
    panel="To try it",
)
