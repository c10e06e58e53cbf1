"""Who a controller is to a Hyper-V host that belongs to a domain: a real KDC gives the tickets."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from causeway_controller.contract.hosts import Grade, Topic
from causeway_controller.hypervisors.base import Cause, HypervisorError, unwatched
from causeway_controller.hypervisors.hyperv import opening
from causeway_controller.hypervisors.hyperv.provider import HypervProvider
from causeway_controller.inventory.host_needs import HostNeeds
from causeway_wire.types import Secret
from tests.conformance import entries, kinds
from tests.conformance.kinds import OWNER, HypervKind
from tests.hyperv import domain as domains
from tests.hyperv import host as counterpart
from tests.hyperv.domain import Domain
from tests.hyperv.host import PASSWORD, USER, HypervHost

pytestmark = [pytest.mark.conformance, pytest.mark.timeout(60)]

NAME = f"{USER}@hvlab.example"


@pytest.fixture
def domain(tmp_path: Path, image: Path) -> Iterator[Domain]:
    if not domains.available():
        pytest.fail("there is no KDC: scripts/setup hyperv installs it", pytrace=False)
    place = tmp_path / "domain"
    place.mkdir()
    with domains.running(place, user=USER, password=PASSWORD) as one:
        yield one


@pytest_asyncio.fixture
async def host(tmp_path: Path, domain: Domain) -> AsyncIterator[HypervHost]:
    async with counterpart.running(tmp_path, domain=domain) as one:
        yield one


def provider(
    host: HypervHost, image: Path, *, user: str = NAME, password: str = PASSWORD, at: str = "127.0.0.1"
) -> HypervProvider:
    entry = entries.hyperv_entry(host, host.port, at=at)
    login = Secret(entries.hyperv_login(password, user=user))
    return opening.open_host(entry, login, image, smb=host.smb)


async def ways(one: HypervProvider) -> list[tuple[Grade, str]]:
    found = (await one.inspect(HostNeeds())).findings
    return [(each.grade, each.text) for each in found if each.topic is Topic.RIGHTS]


async def refusal(one: HypervProvider) -> HypervisorError:
    with pytest.raises(HypervisorError) as refused:
        await one.find(OWNER)
    assert PASSWORD not in str(refused.value)
    return refused.value


async def test_an_account_of_the_domain_commands_and_sends_files_by_kerberos(
    host: HypervHost, image: Path, tmp_path: Path
) -> None:
    one = provider(host, image)
    first, second = map(str, counterpart.SWITCHES)
    had = host.there()
    machine = await one.deploy(kinds.spec((first, f"{second}/101")), unwatched)
    assert machine == await one.find(OWNER)
    assert len(host.there() - had) == HypervKind.pieces
    assert await ways(one) == [
        (
            Grade.GOOD,
            f"this login may command Hyper-V; it was let in by Kerberos, as {USER}@HVLAB.EXAMPLE",
        )
    ]
    assert set(host.remoting.ways) == {"kerberos"}
    audit = (tmp_path / "samba/log").read_text()
    assert set(re.findall(r"Successful AuthZ: \[SMB2,(\w+)\]", audit)) == {"krb5"}
    await one.close()


async def test_an_account_of_the_host_s_own_comes_by_ntlm_beside_it(host: HypervHost, image: Path) -> None:
    one = provider(host, image, user=f"HVLAB\\{USER}")
    ((grade, said),) = await ways(one)
    assert (grade, host.remoting.ways) == (Grade.GOOD, ["ntlm"])
    assert said.endswith("by NTLM, for its user is not of the form NAME@DOMAIN")
    await one.close()


async def test_where_no_kdc_answers_ntlm_stands_in_and_the_check_says_so(
    host: HypervHost, domain: Domain, image: Path
) -> None:
    domain.stop()
    one = provider(host, image)
    _, (grade, said) = await ways(one)
    assert (grade, set(host.remoting.ways)) == (Grade.WARNING, {"ntlm"})
    assert said == (
        "this account of a domain is let in by NTLM, for no KDC of hvlab.example answers this controller"
    )
    await one.close()


async def test_a_wrong_password_is_the_kdcs_to_refuse_and_goes_to_no_host(
    host: HypervHost, image: Path
) -> None:
    for error in (
        await refusal(provider(host, image, password="hunter2")),
        await refusal(provider(host, image, user="nobody@hvlab.example")),
    ):
        assert error.cause is Cause.LOGIN
        assert "refuses" in str(error)
    assert (host.remoting.ways, host.remoting.refused) == ([], 0)


async def test_a_name_that_the_domain_does_not_know_is_told_and_not_tried_by_ntlm(
    host: HypervHost, image: Path
) -> None:
    error = await refusal(provider(host, image, at="localhost"))
    assert error.cause is Cause.IDENTITY
    assert "is not known to the domain as host/localhost; in `endpoint` name it" in str(error)
    assert host.remoting.ways == []


async def test_clocks_that_differ_are_told(host: HypervHost, domain: Domain, image: Path) -> None:
    domain.stop()
    domain.start(clock="+1h")
    error = await refusal(provider(host, image))
    assert error.cause is Cause.LOGIN
    assert "clocks of controller, host and domain differ too much" in str(error)
    assert host.remoting.ways == []


async def test_a_host_that_has_another_key_than_the_domain_thinks_is_told(
    host: HypervHost, domain: Domain, image: Path
) -> None:
    """As one that was joined anew."""
    domain.ask("change_password -randkey host/127.0.0.1")
    error = await refusal(provider(host, image))
    assert (error.cause, host.remoting.ways) == (Cause.LOGIN, [])
    assert "refuses the" in str(error)


async def test_a_ticket_that_ends_is_followed_by_the_next(
    host: HypervHost, domain: Domain, image: Path
) -> None:
    domain.ask(f'modify_principal -maxlife "4 seconds" {USER}')
    one = provider(host, image)
    assert await one.find(OWNER) is None
    begun = time.monotonic()
    while time.monotonic() < begun + 6:
        await asyncio.sleep(1)
        assert await one.find(OWNER) is None
    assert len(host.remoting.ways) > 1
    await one.close()
