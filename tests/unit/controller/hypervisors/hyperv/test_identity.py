"""By what a user comes where there is no ticket, and how what Kerberos says is told."""

from __future__ import annotations

import pytest

from causeway_controller.hypervisors.base import Cause
from causeway_controller.hypervisors.hyperv import identity
from causeway_controller.hypervisors.hyperv.identity import EndedError, Identities
from causeway_wire.types import Secret

_BASE = (1 << 32) - 1765328384
"""Minor codes of MIT's library, from which the protocol's count (krb5_err.et)."""


class GssapiError(Exception):
    """As the binding raises one."""

    def __init__(self, number: int) -> None:
        super().__init__("said by the library")
        self.min_code = _BASE + number


@pytest.mark.parametrize("user", ["HV1\\svc", "svc", "HV1\\svc@corp.example", "@corp.example", "svc@"])
def test_an_account_that_is_of_no_domain_comes_by_ntlm(user: str) -> None:
    found = Identities(user, Secret("right")).current()
    assert (found.user, found.password, found.protocol, found.weaker) == (user, "right", "negotiate", False)
    assert not found.stale()


def test_without_the_library_an_account_of_a_domain_comes_by_ntlm_and_is_told_why(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def none() -> None:
        raise ImportError

    monkeypatch.setattr(identity, "prepare", none)
    found = Identities("svc@corp.example", Secret("right")).current()
    assert (found.protocol, found.weaker) == ("negotiate", True)
    assert "python3-gssapi" in found.said


@pytest.mark.parametrize(("seconds", "looks"), [(60.0, 1), (0.0, 3)])
def test_a_kdc_that_is_not_to_be_had_is_not_asked_by_each_who_comes(
    monkeypatch: pytest.MonkeyPatch, seconds: float, looks: int
) -> None:
    looked: list[str] = []

    def none() -> None:
        looked.append("for a KDC")
        raise ImportError

    monkeypatch.setattr(identity, "prepare", none)
    monkeypatch.setattr(identity, "_AGAIN_SECONDS", seconds)
    who = Identities("svc@corp.example", Secret("right"))
    found = [who.current() for _ in range(3)]
    assert {one.protocol for one in found} == {"negotiate"}
    assert len(looked) == looks
    assert "right" not in repr(found)


@pytest.mark.parametrize(
    ("number", "cause", "said"),
    [
        (6, Cause.LOGIN, "the domain knows no svc"),
        (7, Cause.IDENTITY, "is not known to the domain as host/hv1.example"),
        (18, Cause.LOGIN, "locked or disabled"),
        (23, Cause.LOGIN, "has expired; change it"),
        (24, Cause.LOGIN, "refuses user or password"),
        (37, Cause.LOGIN, "clocks"),
        (60, Cause.LOGIN, "refuses the ticket: said by the library"),
    ],
)
def test_what_kerberos_says_is_told_wherever_it_is_in_an_error(number: int, cause: Cause, said: str) -> None:
    error = ValueError("outermost")
    error.__cause__ = GssapiError(number)
    found = Identities("svc", Secret("right")).refusal(error, "host/hv1.example")
    assert found.cause is cause
    assert said in str(found)


def test_a_ticket_that_is_too_old_is_an_end_and_no_refusal() -> None:
    found = Identities("svc", Secret("right")).refusal(GssapiError(32), "host/hv1.example")
    assert isinstance(found, EndedError)


def test_where_kerberos_says_nothing_the_password_is_what_is_wrong() -> None:
    found = Identities("svc", Secret("right")).refusal(ValueError(), "host/hv1.example")
    assert "refuses user or password" in str(found)
