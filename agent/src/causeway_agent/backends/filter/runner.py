"""What needs nft commands run, and nothing else of the packet filter."""

from __future__ import annotations

from typing import Protocol


class NftRunner(Protocol):
    """Runs nft commands in one transaction; raises BackendError when nft refuses them."""

    async def run(self, text: str) -> str:
        """What nft printed."""
