"""The firewall adapter on nftables with nothing else in it. Runs inside a sandbox only."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import AsyncIterator

from causeway_agent.backends.filter import nft


def nft_command(text: str) -> None:
    """One transaction that must succeed."""
    subprocess.run(["nft", "-f", "-"], input=text, check=True, capture_output=True, text=True)


@contextlib.asynccontextmanager
async def alone() -> AsyncIterator[nft.NftFirewall]:
    """A firewall where there was nothing before and is nothing afterwards."""
    nft_command("flush ruleset")
    async with nft.NftFirewall.open() as opened:
        yield opened
    nft_command("flush ruleset")
