"""Public rules for tests, on the networks of `tests.documents`."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

from causeway_agent.plan.filter import public_checks
from causeway_agent.plan.filter.public_checks import Ground
from causeway_agent.plan.filter.public_rules import Table
from causeway_wire.desired import Desired
from causeway_wire.public_rules import Protocol, PublicRule, PublicRules, PublicRulesPatch
from tests import documents

PUBLIC4, OTHER4, PUBLIC6 = documents.PUBLIC
VM4, NEIGHBOUR4, VM6 = "192.168.0.20", "192.168.0.21", "2001:db8::20"


def rule(
    name: str = "web",
    port: int = 443,
    *,
    public: str = PUBLIC4,
    internal: str = VM4,
    to: int | None = None,
    last: int | None = None,
    protocol: Protocol = Protocol.TCP,
    sources: tuple[str, ...] = (),
) -> PublicRule:
    """A rule; `to` is the internal port, the public one unless given."""
    return PublicRule(
        id=name,
        public_address=ip_address(public),
        public_port=port,
        public_port_end=last,
        internal_address=ip_address(internal),
        internal_port=port if to is None else to,
        protocol=protocol,
        sources=tuple(map(ip_network, sources)),
    )


def table(*rules: PublicRule, revision: int = 1, epoch: int = 1) -> PublicRules:
    """A whole table."""
    return PublicRules(revision=revision, epoch=epoch, rules=rules)


def patch(
    *put: PublicRule, remove: tuple[str, ...] = (), base: int = 1, revision: int | None = None, epoch: int = 1
) -> PublicRulesPatch:
    """A change of the table at `base`."""
    return PublicRulesPatch(
        base=base,
        revision=base + 1 if revision is None else revision,
        epoch=epoch,
        put=put,
        remove=remove,
    )


def ground(desired: Desired | None = None) -> Ground:
    """What the provider's document of the tests allows."""
    found = public_checks.ground(desired or documents.provider(public=documents.PUBLIC))
    assert found is not None
    return found


def held(*rules: PublicRule) -> Table:
    """A table with these rules in force, at revision 1."""
    return Table().whole(table(*rules), ground())[0]
