"""One tenant's site as runs have left it: what is kept of them is real, the site is a test's."""

from __future__ import annotations

from dataclasses import replace

from causeway_controller.contract.tenant import Hooks
from causeway_controller.inventory import modes, tenancy
from causeway_controller.inventory.tenancy import Site
from causeway_controller.store.tenancies import Standings
from causeway_wire.types import Name, TenantId
from tests.workflow_bench import PLAN, planned


class StoredTenancies:
    """One site, with the mode and the publications that runs left."""

    def __init__(self, site: Site, standings: Standings) -> None:
        self.site = site
        self.standings = standings
        self.told: list[str] = []

    def hook(self, hooks: Hooks) -> None:
        """Enter hooks of acme's, so that what is planned is another plan than before."""
        self.site = replace(self.site, tenants={"acme": replace(self.site.tenants["acme"], hooks=hooks)})

    async def load(self, tenant: TenantId, host: Name, plan: Name = "") -> Site:
        standing = self.standings.get(tenant, host)
        site = self.site
        if PLAN in {plan, modes.plan(standing.mode)} and not site.tenants[tenant].plan_name:
            site = planned(site)
        site = tenancy.with_mode(site, tenant, standing.mode)
        if standing.publications is not None:
            site = tenancy.with_publications(site, tenant, standing.publications)
        return site

    async def changed(self, tenant: TenantId, host: Name, site: Site) -> None:
        self.told.append(tenancy.mode(site, tenant).name)
