"""A login that is lost while others ask on it, and why a question was not answered."""

from __future__ import annotations

import asyncio
import ssl
import threading
from typing import Any

import pytest
from pyVmomi import vim, vmodl

from causeway_controller.hypervisors.base import Cause, HypervisorError
from causeway_controller.hypervisors.vsphere.session import Session

pytestmark = pytest.mark.timeout(30)


class FakeLogin:
    def __init__(self) -> None:
        self.service = self
        self.over = threading.Event()

    def end(self) -> None:
        self.over.set()


class Vcenter:
    """Gives out logins, and remembers them."""

    def __init__(self, refusal: Exception | None = None) -> None:
        self.given: list[FakeLogin] = []
        self.refusal = refusal

    def connect(self) -> Any:
        if self.refusal is not None:
            raise self.refusal
        self.given.append(FakeLogin())
        return self.given[-1]


async def test_a_login_that_is_lost_to_one_is_left_to_those_who_still_use_it() -> None:
    centre = Vcenter()
    session = Session("vc1", centre.connect)
    begun, go_on = threading.Event(), threading.Event()

    def upload(login: FakeLogin) -> bool:
        begun.set()
        go_on.wait(10)
        return login.over.is_set()

    def lost(login: FakeLogin) -> str:
        if login is centre.given[0]:
            raise ConnectionResetError
        return "answered"

    uploading = asyncio.create_task(session.ask(upload, seconds=None, again=False))
    await asyncio.to_thread(begun.wait, 10)
    assert await session.ask(lost) == "answered"
    assert not await asyncio.to_thread(centre.given[0].over.wait, 0.1)
    go_on.set()
    assert await uploading is False
    assert await asyncio.to_thread(centre.given[0].over.wait, 10)
    await session.close()
    assert [one.over.is_set() for one in centre.given] == [True, True]


async def test_a_login_that_is_under_way_when_the_controller_ends_is_ended_too() -> None:
    centre = Vcenter()
    connecting, go_on = threading.Event(), threading.Event()

    def connect() -> Any:
        connecting.set()
        go_on.wait(10)
        return centre.connect()

    session = Session("vc1", connect)
    asking = asyncio.create_task(session.ask(lambda _: None))
    await asyncio.to_thread(connecting.wait, 10)
    asking.cancel()
    go_on.set()
    await session.close()
    assert [one.over.is_set() for one in centre.given] == [True]
    await session.close()


async def test_why_nobody_was_let_in_before_is_not_told_to_who_asks_now() -> None:
    centre = Vcenter(ConnectionRefusedError("it is off"))
    go_on = threading.Event()

    def connect() -> Any:
        go_on.wait(10)
        return centre.connect()

    session = Session("vc1", connect)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):  # as who looks at a host before a failover
            await session.ask(lambda _: None)
    opening = session._kept._opening
    assert opening is not None
    go_on.set()
    await asyncio.wait([opening])
    centre.refusal = None
    assert await session.ask(lambda _: "answered") == "answered"
    await session.close()


@pytest.mark.parametrize(
    ("error", "cause", "said"),
    [
        (
            vim.fault.NoPermission(privilegeId="VApp.Import"),
            Cause.RIGHTS,
            r"host vc1: NoPermission \(VApp.Import\)",
        ),
        (vim.fault.NotAuthenticated(), Cause.LOGIN, "host vc1: NotAuthenticated"),
        (ssl.SSLCertVerificationError("another key"), Cause.IDENTITY, "^host vc1: another key$"),
        (
            ConnectionRefusedError(111, "Connection refused"),
            Cause.UNREACHED,
            "^host vc1: Connection refused$",
        ),
        (vmodl.fault.HostNotConnected(msg="it is off"), Cause.REFUSED, "HostNotConnected: it is off"),
    ],
)
async def test_why_it_was_not_done_is_known(error: Exception, cause: Cause, said: str) -> None:
    def fail(_: Any) -> None:
        raise error

    with pytest.raises(HypervisorError, match=said) as failed:
        await Session("vc1", Vcenter().connect).ask(fail)
    assert failed.value.cause is cause


@pytest.mark.parametrize(
    ("refusal", "cause"),
    [
        (vim.fault.InvalidLogin(), Cause.LOGIN),
        (vim.fault.NoPermission(), Cause.RIGHTS),
        (ssl.SSLCertVerificationError("another key"), Cause.IDENTITY),
        (TimeoutError("timed out"), Cause.SLOW),
        (ConnectionRefusedError(), Cause.UNREACHED),
        (Exception("not a vCenter"), Cause.IDENTITY),
    ],
)
async def test_why_nobody_is_let_in_is_known(refusal: Exception, cause: Cause) -> None:
    with pytest.raises(HypervisorError) as failed:
        await Session("vc1", Vcenter(refusal).connect).ask(lambda _: None)
    assert failed.value.cause is cause


async def test_a_host_that_does_not_answer_is_slow() -> None:
    never = threading.Event()
    with pytest.raises(HypervisorError, match="did not answer within 0 s") as failed:
        await Session("vc1", Vcenter().connect).ask(lambda _: never.wait(5), seconds=0.05)
    assert failed.value.cause is Cause.SLOW
    never.set()
