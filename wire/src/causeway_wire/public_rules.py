"""Public-IP rules: services of replicas published on public addresses while full failover is in force.

The rules are a table of their own beside the desired document, with a revision of their own: 100,000 of them
change by the one, and a document that switches the failover mode carries none of them. They are in force
exactly while an address they name is owned: `public_addresses` of the provider role in full failover,
`test_addresses` in rehearsal.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final

from msgspec import Meta

from causeway_wire.desired import Document
from causeway_wire.observed import Report
from causeway_wire.types import Epoch, IPAddress, IPNetwork, Name, Port, VmName, shaped

RuleId = Name
Revision = Annotated[int, Meta(ge=0, le=2**53 - 1, description="numbered by the controller, only grows")]
Description = Annotated[
    str,
    shaped(
        # Control characters, line and paragraph separators, and what turns the direction of writing.
        "^[^\\x00-\\x1f\\x7f-\\x9f\\u2028-\\u202e\\u2066-\\u2069]*(?!\\n)$",
        "one line without control characters",
        max_length=200,
        description="one line for people",
    ),
]


PORTS: Final = 131_072
"""Public ports of all rules of an appliance together."""
TARGETS: Final = 24_576
"""Internal addresses that all rules of an appliance together lead to."""
SOURCE_PORTS: Final = 2_048
"""Public ports, times their sources, of all rules with sources together."""
NEVER_PUBLISHED: Final = 22
"""SSH's port, on no address (seed): 2222 may lead to 22."""


class Protocol(StrEnum):
    """Transport protocols that have ports and can be published."""

    TCP = "tcp"
    UDP = "udp"


class PublicRule(Document, frozen=True, kw_only=True, gc=False):
    """One published service: `public_address:public_port` leads to `internal_address:internal_port`.

    With `public_port_end` a range: port `public_port + n` leads to `internal_port + n`.
    """

    id: RuleId
    public_address: IPAddress
    public_port: Port
    internal_address: IPAddress
    internal_port: Port
    protocol: Protocol = Protocol.TCP
    public_port_end: Port | None = None
    """Last port of the range, included; None for a single port."""
    sources: tuple[IPNetwork, ...] = ()
    """Who may connect; empty means everyone."""
    vm: VmName | None = None
    """The replica, for people; the packets know its address only."""
    description: Description = ""

    @property
    def last_port(self) -> int:
        """The last public port; the only one where there is no range."""
        return self.public_port if self.public_port_end is None else self.public_port_end


class PublicRules(Document, frozen=True, kw_only=True):
    """The whole table; replaces what was."""

    revision: Revision
    epoch: Epoch
    rules: tuple[PublicRule, ...]


class PublicRulesPatch(Document, frozen=True, kw_only=True):
    """A change of the table at `base`, giving `revision`: removals first, then puts (new or replaced)."""

    base: Revision
    revision: Revision
    epoch: Epoch
    put: tuple[PublicRule, ...] = ()
    remove: tuple[RuleId, ...] = ()


class PublicRulesReport(Report, frozen=True, kw_only=True):
    """What a change of the table did."""

    revision: Revision
    rules: int
    """How many there are now."""
    added: int = 0
    changed: int = 0
    removed: int = 0
    cut_flows: int = 0
    """Established connections ended because the rule that let them in is gone."""


class RuleCounter(Report, frozen=True, kw_only=True):
    """What a rule let through, both directions, since it was put."""

    id: RuleId
    packets: int
    bytes: int


class RuleCounters(Report, frozen=True, kw_only=True):
    """Counters of all rules, or of those asked for."""

    revision: Revision
    counters: tuple[RuleCounter, ...]
