"""What is attached to the command `causeway`: the lab's commands, those about keys included."""

from __future__ import annotations

from causeway_lab.commands import keys
from causeway_lab.commands.lab import lab

__all__ = ["lab"]

lab.command(rich_help_panel="Keys")(keys.revoke)
lab.command("take-back", rich_help_panel="Keys")(keys.take_back)
