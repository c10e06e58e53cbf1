"""The public rules in the kernel: one thread that speaks nfnetlink, the event loop stays free."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from causeway_agent.backends.filter import flows, nft_elements
from causeway_agent.backends.filter.nfnetlink import KeptLink, Nfnetlink
from causeway_agent.backends.filter.nft_elements import Counts
from causeway_agent.backends.filter.nft_generation import GENERATIONS
from causeway_agent.errors import BackendError
from causeway_agent.plan.filter.public_elements import COUNTED, SETS, Cuts, Elements

SECONDS: Final = 60.0
"""Longest time for one call: reading or replacing the largest table takes a few."""
ASKED_ONE_BY_ONE: Final = 64
"""Counters that are asked for each; of more, all are read."""

T = TypeVar("T")


class NftPublications:
    """Implements `engine.ports.Publications` for the network namespace it is opened in."""

    def __init__(self, executor: ThreadPoolExecutor) -> None:
        self._executor = executor
        self._link = KeptLink()

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls) -> AsyncIterator[NftPublications]:
        """The thread lives while the block runs; the rules stay."""
        executor = ThreadPoolExecutor(1, thread_name_prefix="public-rules")
        made = cls(executor)
        try:
            yield made
        finally:
            executor.submit(made._link.close)
            executor.shutdown(wait=False)

    async def observe(self) -> Elements:
        return await self._run("read the public rules", _observe)

    async def apply(self, delete: Elements, add: Elements) -> None:
        await self._run("change the public rules", lambda link: _change(link, delete, add))

    async def cut(self, cuts: Cuts) -> int:
        if not cuts:
            return 0
        return await self._run("end flows of public rules", lambda link: flows.cut(link, cuts))

    async def counters(
        self, wanted: Mapping[str, Collection[bytes]] | None
    ) -> dict[str, dict[bytes, Counts]]:
        return await self._run("read the counters of public rules", lambda link: _counters(link, wanted))

    async def _run(self, doing: str, work: Callable[[Nfnetlink], T]) -> T:
        def run() -> T:
            with self._link.use() as link:
                return work(link)

        try:
            async with asyncio.timeout(SECONDS):
                return await asyncio.get_running_loop().run_in_executor(self._executor, run)
        except TimeoutError as error:
            raise BackendError(doing, f"not done within {SECONDS:g} s") from error
        except FileNotFoundError as error:
            reason = "the packet filter has no such table, set or element; a policy must be loaded first"
            raise BackendError(doing, reason) from error
        except OSError as error:
            raise BackendError(doing, error.strerror or str(error)) from error


def _change(link: Nfnetlink, delete: Elements, add: Elements) -> None:
    with GENERATIONS.ours() as change:
        change.transactions = nft_elements.change(link, delete, add)


def _observe(link: Nfnetlink) -> Elements:
    return {name: nft_elements.read(link, name) for name in SETS}


def _counters(
    link: Nfnetlink, wanted: Mapping[str, Collection[bytes]] | None
) -> dict[str, dict[bytes, Counts]]:
    if wanted is None:
        return {name: nft_elements.count(link, name) for name in COUNTED}
    found = {}
    for name, keys in wanted.items():
        if SETS[name].interval or len(keys) > ASKED_ONE_BY_ONE:
            found[name] = nft_elements.count(link, name)
        else:
            found[name] = nft_elements.count_some(link, name, keys)
    return found
