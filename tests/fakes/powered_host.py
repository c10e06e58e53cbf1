"""A hypervisor whose appliances answer while they are on, and no others do."""

from __future__ import annotations

from causeway_controller.hypervisors.base import HypervisorError, Machine
from tests.fakes.hypervisor import FakeHypervisor
from tests.workflow_bench import Bench


class PoweredHost(FakeHypervisor):
    """Machines of `bench`; `late` ones obey, and their orders fail all the same."""

    def __init__(self, bench: Bench) -> None:
        super().__init__(bench.hypervisor.on, switched=bench.log.append)
        self.late: frozenset[str] = frozenset()
        self.lost: frozenset[str] = frozenset()
        """Machines that nobody hears of, because their own host is out of reach."""
        self._bench = bench
        bench.hypervisor = self

    async def find(self, owner_id: str) -> Machine | None:
        if owner_id in self.lost:
            raise HypervisorError(f"{owner_id}: its host is out of reach")
        return await super().find(owner_id)

    async def power(self, owner_id: str, *, on: bool, grace: float) -> None:
        await super().power(owner_id, on=on, grace=grace)
        if owner_id in self._bench.agents:
            self._bench.agents[owner_id].lost = not on
        if owner_id in self.late:
            raise HypervisorError(f"power of {owner_id}: no answer in time")
