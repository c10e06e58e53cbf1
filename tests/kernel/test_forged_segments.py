"""TCP segments forged in the name of a peer: nobody ends a connection without its exact number (RFC 5961).

Of the services that an appliance offers, of its own connections, and of published ones; both IP versions. The
control is the right number, which one packet in four thousand million has by chance.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from causeway_agent.plan.compile.compiler import compile_document
from causeway_agent.plan.filter import ruleset
from causeway_wire.desired import Desired, Partial
from tests import documents, forged_segments, full_site
from tests.forged_segments import BLIND, ECHO, EXACT, NEAR, Connection
from tests.wired import BOX, FAR, UPLINK, beside, between, load, within

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(120)]

PARTIAL = Partial(replicas=(documents.replica(20, "net-0", "192.168.0.20"),))
CLOSED = 1
"""Seconds after a reset inside the window that connection tracking remembers a silent connection; ten by
default. What the client of a published service sends next is followed anew.
"""

PUBLISHED = 8080

CASES = {
    "a gateway's door": ("gateway", FAR, "203.0.113.77", "203.0.113.10", 6180),
    "a gateway's door, IPv6": ("gateway", FAR, "2001:db8:f::77", "2001:db8:f::10", 6180),
    "a provider's tunnel server": ("provider", UPLINK, "10.9.0.20", "10.9.0.2", 1195),
    "the agent's interface": ("managed", UPLINK, "10.9.0.20", "10.9.0.2", 8443),
    "an appliance's own": ("own", UPLINK, "10.9.0.20", "10.9.0.2", 6180),
    "an appliance's own, IPv6": ("own", UPLINK, "2001:db8:9::20", "2001:db8:9::2", 6180),
    "a published service": ("full", UPLINK, full_site.INTERNET4, full_site.PUBLIC4, PUBLISHED),
    "a published service, IPv6": ("full", UPLINK, full_site.INTERNET6, full_site.PUBLIC6, PUBLISHED),
}


def _document(role: str) -> Desired:
    if role == "gateway":
        return documents.gateway(documents.gateway_tunnel(0))
    door = documents.management("10.9.0.2", nic="uplink", sources=("10.9.0.20/32",))
    return documents.provider(PARTIAL, door=door if role == "managed" else None)


@pytest.fixture(params=CASES)
def connection(request: pytest.FixtureRequest) -> Iterator[Connection]:
    role, space, own, far, to = CASES[request.param]
    with ExitStack() as stack:
        if role == "full":
            stack.enter_context(full_site.standing())
            full_site.apply(full_site.document(documents.full("net-0")))
            within(BOX, "sysctl", "-qw", f"net.netfilter.nf_conntrack_tcp_timeout_close={CLOSED}")
            full_site.publish(far, to, full_site.VM6 if ":" in far else full_site.VM4, 80)
        else:
            stack.enter_context(between())
            load(ruleset.render(compile_document(_document(role), documents.FACTS).policy))
        if role == "own":
            yield stack.enter_context(forged_segments.inward(space, own, to, near=BOX, far=far, to=40_000))
            return
        if role != "full":
            stack.enter_context(beside(BOX, ECHO, "listen", far, str(to), own, "0"))
        yield stack.enter_context(forged_segments.outward(space, own, far, to))


def test_who_does_not_know_a_connection_s_number_ends_none(connection: Connection) -> None:
    for how in (BLIND, NEAR):
        assert connection.asks() not in {"nothing", ""}
        connection.forge(how)
        if connection.to == PUBLISHED:
            time.sleep(CLOSED + 0.5)
        assert connection.asks() not in {"nothing", ""}, how
    connection.forge(EXACT)
    assert connection.asks() == "nothing", "the control: with the right number it ends"
