"""Who a controller is to a Hyper-V host: by Kerberos where a KDC gives a ticket, else by NTLM.

A user `NAME@DOMAIN` is asked a ticket for (RFC 4120), by its password, kept in memory. NTLM stands in where
Kerberos is not to be had: an account that is the host's own, no library, no KDC that answers. What a KDC
refuses is refused: no password goes to a host by a weaker way then.
"""

from __future__ import annotations

import itertools
import sys
import threading
import time
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Final

from causeway_controller.hypervisors import debian
from causeway_controller.hypervisors.base import Cause, HypervisorError
from causeway_wire.types import Secret

_KERBEROS: Final = "1.2.840.113554.1.2.2"
"""The mechanism (RFC 4121)."""
_BASE: Final = -1765328384
"""Of MIT's error codes, to which the protocol's are added (RFC 4120, 7.5.9; krb5_err.et)."""
_MODULO: Final = 1 << 32
"""A minor status of GSSAPI has 32 bits and no sign."""
_NO_KDC: Final = frozenset({154, 156})
"""KRB5_REALM_UNKNOWN, KRB5_KDC_UNREACH: no name or address of a KDC is known, or none of them answers."""
_EXPIRED: Final = 32
_MISTYPED: Final = "refuses user or password; put them into the secret of its login"
_TICKET: Final = "see that the host is of that domain, and that all clocks agree"
_REASONS: Final = {
    6: (Cause.LOGIN, "refuses the user: the domain knows no {user}; correct the secret of its login"),
    7: (
        Cause.IDENTITY,
        "is not known to the domain as {service}; in `endpoint` name it as `setspn -L` does, by no address",
    ),
    18: (Cause.LOGIN, "refuses the user: the domain has locked or disabled {user}"),
    23: (Cause.LOGIN, "refuses the user: the password of {user} has expired; change it, and the secret"),
    24: (Cause.LOGIN, _MISTYPED),
    31: (Cause.LOGIN, _MISTYPED),
    37: (
        Cause.LOGIN,
        "refuses the ticket: clocks of controller, host and domain differ too much; synchronise them",
    ),
}
"""By the protocol's number. A wrong password shows as 24, or as 31 where the KDC asks for no proof before."""
_LONGEST_MARGIN: Final = 600.0
_AGAIN_SECONDS: Final = 60.0
"""After so long a KDC that was not to be had is asked again: to ask one that is silent takes its time."""
_number = itertools.count()


class EndedError(HypervisorError):
    """A ticket is too old."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What is shown to a host."""

    user: Any
    """As the packages take it: a name, or a cache of tickets."""
    password: str | None = field(repr=False)
    protocol: str
    """As the packages call it: "negotiate", which is NTLM here, or "kerberos"."""
    said: str
    """How the login is made, in words."""
    weaker: bool = False
    """A domain's account that comes by NTLM."""
    until: float | None = None
    """On the monotonic clock, when another ticket is to be taken."""

    def stale(self) -> bool:
        """Return whether its ticket ends soon."""
        return self.until is not None and time.monotonic() > self.until


class Identities:
    """One user's, taken when it is needed."""

    def __init__(self, user: str, password: Secret) -> None:
        """Ask nobody yet."""
        self._user = user
        self._password = password
        self._lock = threading.Lock()
        self._held: Identity | None = None
        self._again = 0.0
        """On the monotonic clock, when one that has no ticket is looked at anew."""

    def current(self) -> Identity:
        """Return it, its ticket good for a while; blocks. Raises HypervisorError where a KDC refuses."""
        with self._lock:
            held = self._held
            if held is None or held.stale() or (held.until is None and time.monotonic() >= self._again):
                held = self._held = self._taken()
                self._again = time.monotonic() + _AGAIN_SECONDS
            return held

    def refusal(self, error: BaseException | None, service: str) -> HypervisorError:
        """Return why this login failed: what Kerberos says in the error or what caused it, if anything.

        `service`: as `host/hv1.example`.
        """
        held = self._held
        while error is not None:
            minor = getattr(error, "min_code", None)
            if isinstance(minor, int):
                return _told(error, minor, user=self._user, service=service)
            error = error.__cause__ or error.__context__
        if held is not None and held.until is not None:
            text = f"refuses the login {held.said}; {_TICKET}"
            return HypervisorError(text, cause=Cause.LOGIN)
        return HypervisorError(_MISTYPED, cause=Cause.LOGIN)

    def _taken(self) -> Identity:
        name, _, realm = self._user.rpartition("@")
        if not name or not realm or "\\" in self._user:
            return self._by_ntlm("by NTLM, for its user is not of the form NAME@DOMAIN", weaker=False)
        try:
            prepare()
        except ImportError:
            return self._by_ntlm("by NTLM, for this controller's host has no package python3-gssapi")
        # Realms are in capitals, by custom of every domain controller; people write them as in mail.
        return self._by_ticket(f"{name}@{realm.upper()}", realm)

    def _by_ticket(self, principal: str, realm: str) -> Identity:
        gssapi, spnego = debian.load("gssapi"), debian.load("spnego")
        mechanism = gssapi.OID.from_int_seq(_KERBEROS)
        try:
            taken = gssapi.raw.acquire_cred_with_password(
                gssapi.Name(principal, gssapi.NameType.user),
                self._password.reveal().encode(),
                mechs=[mechanism],
                usage="initiate",
            )
        except gssapi.exceptions.GSSError as error:
            if _of_protocol(error.min_code) in _NO_KDC:
                return self._by_ntlm(f"by NTLM, for no KDC of {realm} answers this controller")
            raise _told(error, error.min_code, user=self._user, service="") from error
        # A number each: who reads an older one is not disturbed. One is as large as a page of memory, and
        # is taken once in the hours that a ticket lasts.
        cache = f"MEMORY:causeway-{next(_number)}"
        gssapi.raw.store_cred_into(
            {b"ccache": cache.encode()}, taken.creds, usage="initiate", overwrite=True, set_default=False
        )
        return Identity(
            user=spnego.KerberosCCache(cache),
            password=None,
            protocol="kerberos",
            said=f"by Kerberos, as {principal}",
            until=time.monotonic() + taken.lifetime - min(_LONGEST_MARGIN, taken.lifetime / 2),
        )

    def _by_ntlm(self, said: str, *, weaker: bool = True) -> Identity:
        return Identity(
            user=self._user, password=self._password.reveal(), protocol="negotiate", said=said, weaker=weaker
        )


def _of_protocol(minor: int) -> int:
    return (minor - _BASE) % _MODULO


def _told(error: BaseException, minor: int, *, user: str, service: str) -> HypervisorError:
    number = _of_protocol(minor)
    if number == _EXPIRED or type(error).__name__ == "ExpiredCredentialsError":
        return EndedError("its ticket has expired", cause=Cause.LOGIN)
    if number in _REASONS:
        cause, text = _REASONS[number]
        return HypervisorError(text.format(user=user, service=service), cause=cause)
    return HypervisorError(f"refuses the ticket: {error}", cause=Cause.LOGIN)


class _Cache:
    """The name of a cache of tickets, as pyspnego asks for it."""

    def __init__(self, name: bytes) -> None:
        self.cache_type, _, self.name = name.partition(b":")


def prepare() -> None:
    """Have pyspnego find Kerberos; called before it is imported. Raises ImportError where there is none.

    It wants a second package, `krb5`, which Debian 12 does not have, and asks it for nothing but the name of
    a cache when it is given one. What has none for it, as a password, goes by NTLM.
    """
    debian.load("decorator", "gssapi")
    try:
        debian.load("krb5")
    except ImportError:
        stand_in = ModuleType("krb5")
        vars(stand_in).update(init_context=lambda: None, cc_resolve=lambda _context, name: _Cache(name))
        sys.modules["krb5"] = stand_in
