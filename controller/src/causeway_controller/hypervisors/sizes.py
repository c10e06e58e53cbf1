"""What hardware every appliance gets, on whichever host and by whichever image."""

from __future__ import annotations

from typing import Final

PROCESSORS: Final = 2
"""A tunnel's process fills one by itself; the kernel's forwarding and the agent are not to wait for it."""
MEBIBYTES: Final = 512
"""Of memory."""
