"""A seed is taken once, whole, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from causeway_agent import settings
from causeway_agent.backends.host.identity_files import ENROLLED, IDENTITY
from causeway_agent.errors import BackendError, SeedRefusedError
from causeway_agent.first_boot.decision import Answer
from causeway_agent.first_boot.importer import RECORD
from causeway_wire import codec
from causeway_wire.seed import MAX_OCTETS, Seed
from tests import seeds
from tests.fakes.fuse import Crash
from tests.seeds import SETTINGS, Box, found, seed, spoilt


def take(box: Box, data: bytes | Seed) -> Answer:
    importer = box.importer
    return importer.take(found(data), importer.remember())


def refusal(box: Box, data: bytes | Seed) -> str:
    """Why it is refused; nothing was written meanwhile."""
    before = box.files
    with pytest.raises(SeedRefusedError) as caught:
        take(box, data)
    assert box.files == before
    return str(caught.value)


def enrolled(data: Seed | None = None) -> Box:
    box = Box()
    take(box, data or seed())
    box.state.files[ENROLLED] = b""
    return box


def test_a_fresh_machine_becomes_what_the_seed_says() -> None:
    box = Box()
    assert take(box, seed()) is Answer.TAKE
    made = settings.decode(box.etc.files[SETTINGS])
    assert (made.appliance, made.management, made.nics) == (
        seed().appliance,
        seed().management,
        seed().nics,
    )
    assert made.enrolment_token == seed().enrolment.token
    assert made.ssh_authorized_keys == (seeds.SSH_KEY,)
    assert seeds.TOKEN.encode() not in box.state.files[RECORD]


def _expired(it: dict[str, Any]) -> None:
    it["enrolment"]["expires"] = (seeds.NOW - timedelta(seconds=1)).isoformat()


REFUSALS: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "another version": (lambda it: it.update(version=7), "/version: "),
    "no version": (lambda it: it.pop("version"), "`version`"),
    "an unknown member": (lambda it: it.update(dhcp=True), "/dhcp: "),
    "no appliance": (lambda it: it.pop("appliance"), "`appliance`"),
    "a role that there is not": (lambda it: it.update(role="router"), "/role: "),
    "an expired token": (_expired, "/enrolment/expires: the token ended at 2026-01-02 03:04:04"),
    "a short token": (lambda it: it["enrolment"].update(token="short"), "/enrolment/token: "),
    "a MAC address that is not here": (
        lambda it: it["nics"][0].update(mac="02:00:00:00:00:99"),
        "/nics/0/mac: adapter management: no device has MAC address 02:00:00:00:00:99; this machine has 02:",
    ),
    "no adapter": (lambda it: it.update(nics=[]), "/management/nic: "),
    "a management address of nobody": (
        lambda it: it["management"].update(address="192.0.2.99"),
        "/management/address: ",
    ),
    "nobody may enter": (lambda it: it["management"].update(sources=[]), "/management/sources: "),
    "one port for two": (lambda it: it["management"].update(ssh_port=8443), "/management/ssh_port: "),
    "a gateway elsewhere": (
        lambda it: it["nics"][0].update(gateways=["198.51.100.1"]),
        "/nics/0/gateways/0: ",
    ),
    "a VLAN on no trunk": (
        lambda it: it.update(vlans=[{"name": "v", "trunk": "nowhere", "id": 7}]),
        "/vlans/0/trunk: ",
    ),
    "no authority": (lambda it: it.update(controller_ca="nobody"), "/controller_ca: "),
    "an authority that is none": (
        lambda it: it.update(controller_ca="-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
        "/controller_ca: ",
    ),
    "an SSH key with a command": (
        lambda it: it.update(ssh_authorized_keys=['command="x" ' + seeds.SSH_KEY]),
        "/ssh_authorized_keys/0: ",
    ),
    "a time server by name": (lambda it: it.update(time_servers=["time.example"]), "/time_servers/0: "),
}


@pytest.mark.parametrize("what", REFUSALS)
def test_a_wrong_seed_is_refused_by_member_and_nothing_is_written(what: str) -> None:
    spoil, words = REFUSALS[what]
    assert words in refusal(Box(), spoilt(spoil))


def test_everything_wrong_is_told_at_once() -> None:
    def spoil(it: dict[str, Any]) -> None:
        _expired(it)
        it["nics"][0]["mac"] = "02:00:00:00:00:99"

    sentence = refusal(Box(), spoilt(spoil))
    assert "/enrolment/expires: " in sentence
    assert "/nics/0/mac: " in sentence


def test_what_is_no_seed_is_refused() -> None:
    whole = codec.encode(seed())
    assert "the text ends too early (byte 100)" in refusal(Box(), whole[:100])
    assert "longer than" in refusal(Box(), whole + b" " * MAX_OCTETS)
    assert "it is empty" in refusal(Box(), b"")


@given(st.one_of(st.binary(max_size=300), st.text(max_size=300).map(str.encode)))
def test_no_octets_crash_the_import_or_are_written(data: bytes) -> None:
    refusal(Box(), data)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)


@given(st.sampled_from(sorted(msgspec.json.decode(codec.encode(seed())))), JSON)
def test_no_value_of_any_member_crashes_the_import(member: str, value: object) -> None:
    box = Box()
    try:
        take(box, spoilt(lambda it: it.update({member: value})))
    except SeedRefusedError:
        assert box.files == {}
    else:
        assert set(box.files) == {RECORD, SETTINGS}


@pytest.mark.parametrize("again", [False, True], ids=["first seed", "corrected seed"])
@pytest.mark.parametrize("before", [False, True], ids=["after", "before"])
@pytest.mark.parametrize("at", [1, 2, 3])
def test_a_power_cut_at_any_write_converges(at: int, *, before: bool, again: bool) -> None:
    box, wanted = Box(), Box()
    for each in (box, wanted):
        if again:
            take(each, seed(address="192.0.2.77", token="token-of-the-mistyped-seed"))
            each.state.files[IDENTITY] = b"made for the authority before"
        each.fuse.mend()
    take(wanted, seed())
    old = box.etc.files.get(SETTINGS)
    box.fuse.at, box.fuse.before = at, before
    with pytest.raises(Crash):
        take(box, seed())
    # At no moment is there anything but the settings before or those after.
    assert box.etc.files.get(SETTINGS) in {old, wanted.etc.files[SETTINGS]}
    box.fuse.mend()
    take(box, seed())
    assert box.files == wanted.files


def test_a_disk_that_refuses_is_told_and_leaves_no_settings() -> None:
    box = Box()
    box.fuse.refuse = {2}
    with pytest.raises(BackendError):
        take(box, seed())
    assert SETTINGS not in box.files


def test_the_same_seed_again_is_in_force_already() -> None:
    box = Box()
    take(box, seed())
    before = box.fuse.count
    assert take(box, seed()) is Answer.TAKEN
    assert box.fuse.count == before


def test_a_corrected_seed_replaces_the_one_before_until_enrolment() -> None:
    box = Box()
    take(box, seed(address="192.0.2.77"))
    box.state.files[IDENTITY] = b"a certificate for the authority before"
    assert take(box, seed(token="token-of-the-corrected-seed")) is Answer.TAKE
    assert settings.decode(box.etc.files[SETTINGS]).management == seed().management
    assert IDENTITY not in box.state.files


def test_a_replayed_seed_changes_nothing_even_when_its_token_ended() -> None:
    box = enrolled()
    box.now += timedelta(days=900)
    before = box.files
    assert take(box, seed()) is Answer.REPLAYED
    assert take(box, seed(address="192.0.2.99")) is Answer.REPLAYED
    assert box.files == before


def test_the_token_is_forgotten_once_used_and_still_known() -> None:
    box = enrolled()
    memory = box.importer.forget_token(box.importer.remember())
    assert memory.settings is not None
    assert memory.settings.enrolment_token is None
    assert seeds.TOKEN.encode() not in b"".join(box.files.values())
    assert take(box, seed()) is Answer.REPLAYED


def test_a_token_that_no_seed_brought_is_remembered_when_it_is_forgotten() -> None:
    box = enrolled()
    del box.state.files[RECORD]
    box.importer.forget_token(box.importer.remember())
    assert take(box, seed()) is Answer.REPLAYED


def test_an_enrolled_appliance_takes_no_other_token() -> None:
    assert "/enrolment/token: this appliance is enrolled" in refusal(
        enrolled(), seed(token="another-token-0002")
    )


def test_a_seed_for_another_appliance_is_refused_by_name() -> None:
    sentence = refusal(enrolled(), seed(appliance="globex-provider"))
    assert (
        "/appliance: this machine is appliance acme-provider and the seed is for globex-provider" in sentence
    )
    fresh = Box()
    take(fresh, seed())
    assert "/appliance: " in refusal(fresh, seed(appliance="globex-provider"))


def test_an_enrolled_appliance_with_lost_settings_says_so() -> None:
    box = enrolled()
    box.etc.tear(SETTINGS)
    assert "lost or damaged" in refusal(box, seed())


def test_damaged_settings_of_an_unenrolled_machine_are_made_again() -> None:
    box = Box()
    take(box, seed())
    box.etc.tear(SETTINGS)
    box.state.tear(RECORD)
    assert take(box, seed()) is Answer.TAKE
    assert box.importer.remember().settings is not None


def test_a_new_token_on_an_empty_disk_is_a_first_boot() -> None:
    assert take(Box(), seed(token="token-of-the-redeployment")) is Answer.TAKE
