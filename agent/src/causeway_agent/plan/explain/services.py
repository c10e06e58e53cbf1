"""The table of public rules as `explain` asks it."""

from __future__ import annotations

import ipaddress
from typing import Final

from causeway_agent.plan.explain.packet import Services
from causeway_agent.plan.filter import public_elements
from causeway_agent.plan.filter.public_rules import Table
from causeway_wire.desired import Desired, ProviderRole
from causeway_wire.public_rules import Protocol, PublicRule
from causeway_wire.types import IPAddress, Port

_NUMBERS: Final = {Protocol.TCP: 6, Protocol.UDP: 17}
"""IANA numbers (RFC 9293, RFC 768)."""


def services(table: Table, document: Desired | None) -> Services:
    """Lookups in this table, with the allocation of the document in force."""
    role = None if document is None else document.role
    provider = role if isinstance(role, ProviderRole) else None
    public = frozenset(provider.public_addresses if provider is not None else ())
    tests = frozenset(provider.test_addresses if provider is not None else ())
    allocation = frozenset(address.packed for address in public)

    def rule(address: IPAddress, protocol: Protocol, port: Port) -> PublicRule | None:
        key = public_elements.service(address, _NUMBERS[protocol], port)
        owner = table.owner(key)
        return None if owner is None else owner.rule

    def leaves_with(internal: IPAddress) -> IPAddress | None:
        name = public_elements.source_set(internal.packed)
        found = table.sources(allocation, (internal.packed,))[name].get(internal.packed)
        return None if found is None else ipaddress.ip_address(found)

    return Services(rule, leaves_with, public | tests)
