"""Who deploys appliances, and deploys none."""

from __future__ import annotations

from causeway_wire.types import ApplianceId, Name, TenantId


class FakeAppliances:
    """Deploys in no time; `failing` is raised instead."""

    def __init__(self) -> None:
        self.asked: list[tuple[TenantId, Name]] = []
        self.failing: Exception | None = None

    async def ensure(self, tenant: TenantId, host: Name) -> ApplianceId:
        self.asked.append((tenant, host))
        if self.failing is not None:
            raise self.failing
        return f"{tenant}-{host}"
