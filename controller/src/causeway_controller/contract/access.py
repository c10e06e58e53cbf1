"""Who may do what: roles, and the one table of what each is granted."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Permission(StrEnum):
    """What a route asks of who calls it."""

    OBSERVE = "observe"
    """The state of what one may see: a tenant's own, or everything."""
    READ_INVENTORY = "read-inventory"
    """The provider's inventory, whole."""
    WRITE_INVENTORY = "write-inventory"
    DEPLOY = "deploy"
    """Have appliances deployed, as the inventory says."""
    FAIL_OVER = "fail-over"
    """Start, stop and retry runs."""
    MANAGE_TOKENS = "manage-tokens"
    MANAGE_MEMBERS = "manage-members"
    """Invite tenants' controllers, expel them, and replace the key that they know the provider by."""
    MANAGE_PROVIDERS = "manage-providers"
    """At a tenant's controller: join providers and leave them."""
    READ_REPLICAS = "read-replicas"
    """Which VM at the provider stands in for which of production, and how old it is."""
    REGISTER_REPLICAS = "register-replicas"
    READ_AUDIT = "read-audit"
    METRICS = "metrics"
    REVOKE = "revoke"
    """Have certificates count no more; a tenant's staff those of its own ends of tunnels."""


class Role(StrEnum):
    """What a caller is. The first two see every tenant, an auditor all or one, the others one."""

    ADMIN = "admin"
    OPERATOR = "operator"
    TENANT_ADMIN = "tenant-admin"
    TENANT_OPERATOR = "tenant-operator"
    BREAK_GLASS = "break-glass"
    """Of a tenant's staff, whose own site is gone: starts one full failover, and nothing else ever."""
    AUDITOR = "auditor"
    REPLICATOR = "replicator"
    """A program that replicates one tenant's VMs: says which replicas there are, and how old they are."""


_P = Permission
_LOOK: Final = frozenset({_P.OBSERVE, _P.READ_REPLICAS})
GRANTS: Final[Mapping[Role, frozenset[Permission]]] = {
    Role.ADMIN: frozenset(Permission),
    Role.OPERATOR: _LOOK
    | {_P.READ_INVENTORY, _P.DEPLOY, _P.FAIL_OVER, _P.METRICS, _P.REGISTER_REPLICAS, _P.REVOKE},
    Role.TENANT_ADMIN: _LOOK | {_P.FAIL_OVER, _P.MANAGE_TOKENS, _P.REVOKE},
    Role.TENANT_OPERATOR: _LOOK | {_P.FAIL_OVER},
    Role.BREAK_GLASS: _LOOK | {_P.FAIL_OVER},
    Role.AUDITOR: _LOOK | {_P.READ_INVENTORY, _P.READ_AUDIT, _P.METRICS},
    Role.REPLICATOR: frozenset({_P.READ_REPLICAS, _P.REGISTER_REPLICAS}),
}

WHOLE: Final = frozenset({_P.READ_INVENTORY, _P.WRITE_INVENTORY, _P.READ_AUDIT, _P.METRICS, _P.DEPLOY}) | {
    _P.MANAGE_MEMBERS,
    _P.MANAGE_PROVIDERS,
}
"""Never for who sees one tenant only, whatever the role: what they give is every tenant's."""

OF_TENANTS: Final = frozenset({Role.TENANT_ADMIN, Role.TENANT_OPERATOR, Role.BREAK_GLASS, Role.REPLICATOR})
"""Roles that are always bound to a tenant."""
OF_PROVIDER: Final = frozenset({Role.ADMIN, Role.OPERATOR})
"""Roles that never are."""


def granted(role: Role, tenant: str | None) -> frozenset[Permission]:
    """Return what a caller of this role may do, with every tenant (`None`) or within one."""
    return GRANTS[role] if tenant is None else GRANTS[role] - WHOLE
