"""The worker's listing filter: rules and static sets stay, what packets put into sets goes."""

from __future__ import annotations

from causeway_agent import nft_worker

STATIC = """table inet causeway {
\tset guarded {
\t\ttype ifname
\t\telements = { "eth1",
\t\t\t     "eth2" }
\t}
"""
REST = """
\tchain input {
\t\ttype filter hook input priority filter; policy drop;
\t\tiifname @guarded accept
\t}
}
"""


def dynamic(elements: str) -> str:
    return (
        "\n\tmap flows {\n\t\ttype ipv4_addr . inet_service : ipv4_addr . inet_service\n\t\tsize 65536\n"
        f"\t\tflags dynamic,timeout\n\t\ttimeout 5m\n{elements}\t}}\n"
    )


FILLED = dynamic(
    "\t\telements = { 192.0.2.1 . 5000 expires 4m : 203.0.113.1 . 1195,\n"
    "\t\t\t     192.0.2.2 . 5000 expires 4m : 203.0.113.1 . 1195 }\n"
)


def test_elements_that_packets_put_there_are_left_out() -> None:
    assert nft_worker.without_elements(STATIC + FILLED + REST) == STATIC + dynamic("") + REST


def test_elements_of_static_sets_stay() -> None:
    after = dynamic("").replace("dynamic,timeout", "interval").replace("timeout 5m\n", "elements = { x }\n")
    assert nft_worker.without_elements(FILLED + STATIC + after) == dynamic("") + STATIC + after
