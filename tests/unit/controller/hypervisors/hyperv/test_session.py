"""A login is shared and made anew when it is lost; what was refused is asked once."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import cast

import pytest

from causeway_controller.hypervisors.base import Cause, HypervisorError
from causeway_controller.hypervisors.hyperv import session
from causeway_controller.hypervisors.hyperv.binding import CmdletError, DeniedError, Login, LostError
from causeway_controller.hypervisors.hyperv.identity import Identity
from causeway_controller.hypervisors.hyperv.session import Session


class Host:
    """Lets everybody in, and counts."""

    def __init__(self) -> None:
        self.made = 0
        self.ended = threading.Event()
        self.refusal: HypervisorError | None = None
        self.identity = Identity(user="svc", password="right", protocol="negotiate", said="by NTLM")

    def connect(self) -> Login:
        if self.refusal is not None:
            raise self.refusal
        self.made += 1
        self.identity = replace(self.identity, until=None)
        return cast("Login", self)

    def end(self) -> None:
        self.ended.set()


@pytest.fixture
def host() -> Host:
    return Host()


@pytest.fixture
def asked(host: Host) -> Session:
    return Session("hv1", host.connect)


def failing(times: int, error: HypervisorError) -> Callable[[Login], str]:
    """A question that this happens to so often, and that is answered then."""
    left = [times]

    def question(_: Login) -> str:
        left[0] -= 1
        if left[0] >= 0:
            raise error
        return "answered"

    return question


async def test_a_login_is_used_again(asked: Session, host: Host) -> None:
    assert [await asked.ask(failing(0, LostError(""))) for _ in range(3)] == ["answered"] * 3
    assert host.made == 1


async def test_a_lost_one_is_made_anew_once_and_the_old_one_ended(asked: Session, host: Host) -> None:
    assert await asked.ask(failing(1, LostError("gone"))) == "answered"
    assert host.made == 2
    assert host.ended.wait(5)
    with pytest.raises(HypervisorError, match="host hv1: gone") as refused:
        await asked.ask(failing(2, LostError("gone")))
    assert refused.value.cause is Cause.UNREACHED


async def test_what_may_not_be_repeated_is_asked_once(asked: Session, host: Host) -> None:
    with pytest.raises(HypervisorError, match="host hv1: gone"):
        await asked.ask(failing(1, LostError("gone")), again=False)
    assert host.made == 1


async def test_what_a_cmdlet_refuses_is_no_lost_login(asked: Session, host: Host) -> None:
    with pytest.raises(HypervisorError, match="host hv1: Get-VM: no") as refused:
        await asked.ask(failing(1, CmdletError("Get-VM: no")))
    assert refused.value.cause is Cause.REFUSED
    assert await asked.ask(failing(0, LostError(""))) == "answered"
    assert host.made == 1


@pytest.mark.parametrize(
    ("error", "said", "cause"),
    [
        (DeniedError("refuses user or password"), "host hv1 refuses user or password", Cause.LOGIN),
        (LostError("another key", cause=Cause.IDENTITY), "cannot be reached: another key", Cause.IDENTITY),
    ],
)
async def test_who_is_not_let_in_is_told_why(
    asked: Session, host: Host, error: HypervisorError, said: str, cause: Cause
) -> None:
    host.refusal = error
    with pytest.raises(HypervisorError, match=said) as refused:
        await asked.ask(failing(0, LostError("")))
    assert refused.value.cause is cause
    host.refusal = None
    assert await asked.ask(failing(0, LostError(""))) == "answered"


async def test_why_nobody_was_let_in_before_is_not_told_to_who_asks_now(host: Host) -> None:
    go_on = threading.Event()

    def connect() -> Login:
        go_on.wait(10)
        return host.connect()

    host.refusal = LostError("it is off", cause=Cause.UNREACHED)
    asked = Session("hv1", connect)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):  # as who looks at a host before a failover
            await asked.ask(failing(0, LostError("")))
    opening = asked._kept._opening
    assert opening is not None
    go_on.set()
    await asyncio.wait([opening])
    host.refusal = None
    assert await asked.ask(failing(0, LostError(""))) == "answered"


async def test_a_host_that_hangs_costs_the_deadline(asked: Session, host: Host) -> None:
    release = threading.Event()
    with pytest.raises(HypervisorError, match="did not answer within 0 s") as refused:
        await asked.ask(lambda _: release.wait(10), seconds=0.05)
    assert refused.value.cause is Cause.SLOW
    assert await asked.ask(failing(0, LostError(""))) == "answered"
    assert host.made == 2
    assert not host.ended.is_set()  # somebody still asks there
    release.set()
    assert host.ended.wait(5)


async def test_the_end_waits_for_the_host_and_the_next_question_begins_anew(
    asked: Session, host: Host
) -> None:
    await asked.close()
    await asked.ask(failing(0, LostError("")))
    await asked.close()
    assert host.ended.is_set()
    assert await asked.ask(failing(0, LostError(""))) == "answered"
    assert host.made == 2
    assert session.END_SECONDS < session.SECONDS


async def test_a_login_whose_ticket_ends_is_made_anew_before_anything_is_asked(
    asked: Session, host: Host
) -> None:
    """Also for what may be asked once only: it was not asked yet."""
    await asked.ask(failing(0, LostError("")))
    host.identity = replace(host.identity, until=0.0)
    assert await asked.ask(failing(0, LostError("")), again=False) == "answered"
    assert host.made == 2
