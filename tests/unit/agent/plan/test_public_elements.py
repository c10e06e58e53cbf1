"""Rules as octets: fields in whole registers, ranges expanded where the target differs, sources joined."""

from __future__ import annotations

from ipaddress import ip_address

from causeway_agent.plan.filter import public_elements
from causeway_wire.public_rules import Protocol
from tests.rules import PUBLIC6, VM6, rule

PUBLIC, VM = bytes((198, 51, 100, 10)), bytes((192, 168, 0, 20))
TCP, UDP = b"\x06\0\0\0", b"\x11\0\0\0"


def port(number: int) -> bytes:
    return number.to_bytes(2, "big") + b"\0\0"


def test_a_rule_for_everyone_is_one_element_to_translate_and_one_to_let_through() -> None:
    found = public_elements.collect([public_elements.entry(rule(port=8080, to=80))])
    key = PUBLIC + TCP + port(8080)
    assert {name: held for name, held in found.items() if held} == {
        "public4": {key: VM + port(80)},
        "published4": {key: b""},
    }
    assert public_elements.published_set(key) == "published4"
    assert public_elements.service(ip_address("198.51.100.10"), 6, 8080) == key


def test_a_range_leads_port_by_port_to_a_range() -> None:
    each = public_elements.entry(rule(port=5000, last=5002, to=6000, protocol=Protocol.UDP))
    found = public_elements.collect([each])
    assert found["public4"] == {PUBLIC + UDP + port(5000 + n): VM + port(6000 + n) for n in range(3)}
    assert public_elements.counted_keys(each) == ("published4", list(found["published4"]))


def test_sources_become_intervals_that_do_not_overlap() -> None:
    sources = ("203.0.113.128/25", "203.0.113.0/24", "192.0.2.7/32")
    each = public_elements.entry(rule(port=443, last=444, sources=sources))
    found = public_elements.collect([each])
    bounds = ((bytes((192, 0, 2, 7)),) * 2, (bytes((203, 0, 113, 0)), bytes((203, 0, 113, 255))))
    keys = [PUBLIC + TCP + port(number) for number in (443, 444)]
    assert set(found["public_from4"]) == {key + a + key + b for key in keys for a, b in bounds}
    assert set(found["published_from4"]) == {keys[0] + a + keys[1] + b for a, b in bounds}
    assert set(public_elements.counted_keys(each)[1]) == set(found["published_from4"])
    assert not found["public4"]


def test_both_families_have_the_same_shape() -> None:
    found = public_elements.collect([public_elements.entry(rule(public=PUBLIC6, internal=VM6))])
    (key,) = found["published6"]
    assert key == ip_address(PUBLIC6).packed + TCP + port(443)
    for name, kind in public_elements.SETS.items():
        octets = 4 if name.endswith("4") else 16
        assert kind.key % 4 == 0
        assert kind.key >= octets


def test_a_difference_deletes_and_adds_what_has_other_data() -> None:
    old = {"public4": {b"a": b"1", b"b": b"2", b"c": b"3"}}
    new = {"public4": {b"a": b"1", b"b": b"9", b"d": b"4"}, "source4": {}}
    delete, add = public_elements.difference(old, new)
    assert delete == {"public4": {b"b": b"2", b"c": b"3"}}
    assert add == {"public4": {b"b": b"9", b"d": b"4"}}
