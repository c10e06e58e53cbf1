"""Sites to test with, of any size."""

from __future__ import annotations

from hypothesis import strategies as st

from causeway_controller.inventory.tenancy import Site
from tests.sites import site

SITES = st.builds(
    site,
    networks=st.integers(1, 4),
    vms_per_network=st.integers(1, 3),
    gateways=st.integers(1, 3),
    ipv6=st.booleans(),
)


@st.composite
def sites_with_vms(draw: st.DrawFn) -> tuple[Site, frozenset[str], frozenset[str]]:
    """A site, VMs failed over one after the other: first some, then others."""
    drawn = draw(SITES)
    names = sorted(drawn.tenants["acme"].vms)
    first = draw(st.frozensets(st.sampled_from(names), min_size=1))
    rest = sorted(set(names) - first)
    second = draw(st.frozensets(st.sampled_from(rest))) if rest else frozenset()
    return drawn, first, second
