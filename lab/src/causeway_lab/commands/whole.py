"""The lab's commands, those of all modules."""

from __future__ import annotations

from causeway_lab.commands import keys, sites
from causeway_lab.commands.lab import lab

__all__ = ["lab"]

lab.command(rich_help_panel="Keys")(keys.revoke)
lab.command("sites", rich_help_panel="Two controllers")(sites.begin)
lab.command("power", rich_help_panel="Two controllers")(sites.power)
lab.command("take-back", rich_help_panel="Keys")(keys.take_back)
