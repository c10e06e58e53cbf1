"""Sealed values open at their place, with their key, whole; and nowhere, with nothing and in no part else."""

from __future__ import annotations

import base64
import os

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from causeway_controller.errors import SealBroken
from causeway_controller.trust.sealing import Place, SaltedKey, Vault, make_salt
from causeway_wire.types import Secret

OLD, NEW = (SaltedKey(os.urandom(32), make_salt()) for _ in range(2))
BEFORE, AFTER, ONLY_NEW = Vault({1: OLD}), Vault({1: OLD, 2: NEW}), Vault({2: NEW})
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
PLACES = st.builds(Place, TEXTS, TEXTS, st.lists(TEXTS, min_size=1, max_size=3).map(tuple))
HERE = Place("secret", "sealed", ("named", "hypervisor/esx1"))


@given(PLACES, TEXTS)
def test_what_is_sealed_opens_at_its_place(place: Place, text: str) -> None:
    sealed = BEFORE.seal(place, Secret(text))
    assert AFTER.open(place, sealed) == Secret(text)
    assert (BEFORE.stale(place, sealed), AFTER.stale(place, sealed)) == (False, True)


@given(PLACES, PLACES)
def test_what_was_moved_does_not_open(place: Place, other: Place) -> None:
    assume(place != other)
    sealed = AFTER.seal(place, Secret("a"))
    with pytest.raises(SealBroken, match="changed or moved"):
        AFTER.open(other, sealed)


@pytest.mark.parametrize(
    "other",
    [
        Place("secret", "sealed", ("named/hypervisor", "esx1")),
        Place("secret", "sealed", ("named", "hypervisor", "esx1")),
        Place("secret", "sealed", ("named", "hypervisor/esx2")),
        Place("authority", "sealed", HERE.key),
        Place("secret", "proof", HERE.key),
        Place("secret/sealed", "named", ("hypervisor/esx1",)),
    ],
)
def test_places_that_look_alike_are_not_the_same(other: Place) -> None:
    with pytest.raises(SealBroken, match="changed or moved"):
        AFTER.open(other, AFTER.seal(HERE, Secret("a")))


@given(st.data())
def test_no_bit_may_change(data: st.DataObject) -> None:
    octets = bytearray(base64.b64decode(AFTER.seal(HERE, Secret("value"))))
    bit = data.draw(st.integers(0, len(octets) * 8 - 1))
    octets[bit // 8] ^= 1 << bit % 8
    with pytest.raises(SealBroken):
        AFTER.open(HERE, base64.b64encode(octets).decode())


@given(st.integers(0, 60))
def test_nothing_may_be_cut_off(kept: int) -> None:
    octets = base64.b64decode(AFTER.seal(HERE, Secret("value" * 6)))
    for part in (octets[:kept], octets[len(octets) - kept :]):
        with pytest.raises(SealBroken):
            AFTER.open(HERE, base64.b64encode(part).decode())


@given(TEXTS)
def test_no_text_is_taken_for_a_sealed_value(text: str) -> None:
    for act in (AFTER.open, AFTER.stale):
        with pytest.raises(SealBroken, match="named/hypervisor/esx1"):
            act(HERE, text)


def test_another_master_key_or_another_stores_salt_opens_nothing() -> None:
    sealed = BEFORE.seal(HERE, Secret("a"))
    for other in (SaltedKey(NEW.octets, OLD.salt), SaltedKey(OLD.octets, NEW.salt)):
        with pytest.raises(SealBroken, match="another key of that number"):
            Vault({1: other}).open(HERE, sealed)


def test_a_key_that_is_not_held_is_told_with_the_secret() -> None:
    with pytest.raises(SealBroken, match=r"named/hypervisor/esx1 .*does not hold key 1") as refused:
        ONLY_NEW.open(HERE, BEFORE.seal(HERE, Secret("a")))
    assert refused.value.key == 1


def test_a_value_cannot_claim_another_key() -> None:
    octets = bytearray(base64.b64decode(AFTER.seal(HERE, Secret("a"))))
    octets[2] = 1
    with pytest.raises(SealBroken):
        AFTER.open(HERE, base64.b64encode(octets).decode())


def test_a_value_of_a_newer_version_is_refused_as_such() -> None:
    octets = bytearray(base64.b64decode(AFTER.seal(HERE, Secret("a"))))
    octets[0] = 2
    with pytest.raises(SealBroken, match="install a newer one"):
        AFTER.open(HERE, base64.b64encode(octets).decode())


def test_the_same_value_is_never_sealed_alike() -> None:
    sealed = {AFTER.seal(HERE, Secret("a")) for _ in range(100)}
    assert len({base64.b64decode(each)[3:15] for each in sealed}) == 100


def test_nothing_of_value_or_key_is_shown() -> None:
    sealed = AFTER.seal(HERE, Secret("hunter2"))
    assert "hunter2" not in repr(AFTER.open(HERE, sealed))
    assert repr(OLD.octets) not in repr(OLD)
    with pytest.raises(SealBroken) as refused:
        AFTER.open(Place("a", "b", ("c",)), sealed)
    assert sealed not in str(refused.value)
