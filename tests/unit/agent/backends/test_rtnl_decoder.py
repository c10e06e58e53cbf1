"""A dump is decoded once, whatever order it comes in, and always says what the kernel's octets say."""

from __future__ import annotations

from collections.abc import Mapping

from causeway_agent.backends.kernel.rtnl_decoder import Decoder
from causeway_agent.backends.kernel.rtnl_schema import NEIGHBOUR, Message

NAMES = {1: "eth0", 2: "eth1"}


class Counting:
    """Decodes an index to the device's name; odd states are not ours."""

    def __init__(self) -> None:
        self.decoded = 0

    def __call__(self, message: Message, names: Mapping[int, str]) -> tuple[str, int] | None:
        self.decoded += 1
        return None if message["state"] % 2 else (names[message["ifindex"]], message["state"])


def body(index: int, state: int) -> memoryview:
    message = Message(NEIGHBOUR)
    message["ifindex"], message["state"] = index, state
    return memoryview(message.octets())


def test_only_what_is_new_is_decoded() -> None:
    count = Counting()
    decoder = Decoder(NEIGHBOUR, count)
    assert decoder.items([body(1, 2), body(2, 3), body(2, 4)], NAMES) == {("eth0", 2), ("eth1", 4)}
    assert decoder.items([body(2, 4), body(1, 2), body(2, 3)], NAMES) == {("eth0", 2), ("eth1", 4)}
    assert count.decoded == 3
    assert decoder.items([body(1, 2), body(1, 6)], NAMES) == {("eth0", 2), ("eth0", 6)}
    assert count.decoded == 4
    assert decoder.items([], NAMES) == frozenset()


def test_a_device_that_is_renamed_makes_the_same_octets_say_something_else() -> None:
    decoder = Decoder(NEIGHBOUR, Counting())
    names = dict(NAMES)
    assert decoder.items([body(1, 2)], names) == {("eth0", 2)}
    names[1] = "eth9"
    assert decoder.items([body(1, 2)], names) == {("eth9", 2)}


def test_what_went_and_came_back_is_decoded_anew() -> None:
    count = Counting()
    decoder = Decoder(NEIGHBOUR, count)
    for dump in ([body(1, 2)], [], [body(1, 2)]):
        decoder.items(dump, NAMES)
    assert count.decoded == 2
