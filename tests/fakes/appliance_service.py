"""Who deploys appliances, and deploys none."""

from __future__ import annotations

from causeway_wire.types import ApplianceId, Name, TenantId


class FakeAppliances:
    """Deploys in no time; `failing` is raised instead."""

    def __init__(self) -> None:
        self.asked: list[tuple[TenantId, Name]] = []
        self.told: list[tuple[str, bool, str]] = []
        self.failing: Exception | None = None

    async def ensure(self, tenant: TenantId, host: Name) -> ApplianceId:
        self.asked.append((tenant, host))
        if self.failing is not None:
            raise self.failing
        return f"{tenant}-{host}"

    async def rotate(self, tenant: TenantId, host: Name, *, revoke: bool, actor: str) -> ApplianceId:
        self.told.append(("rotate", revoke, actor))
        return await self.ensure(tenant, host)

    async def redeploy(
        self, tenant: TenantId, host: Name, *, keep_certificates: bool, actor: str
    ) -> ApplianceId:
        self.told.append(("redeploy", keep_certificates, actor))
        return await self.ensure(tenant, host)

    async def retire(self, tenant: TenantId, host: Name, *, gone: bool, actor: str) -> ApplianceId:
        self.told.append(("retire", gone, actor))
        return await self.ensure(tenant, host)
