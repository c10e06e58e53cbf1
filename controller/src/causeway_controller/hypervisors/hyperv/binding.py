"""PowerShell remoting and SMB, by packages that are loaded when the first Hyper-V host is opened.

A call is a cmdlet and its parameters: there is no script text, so nothing that is put in becomes a command.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import os
import ssl
import threading
import weakref
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from causeway_controller.hypervisors import tls
from causeway_controller.hypervisors.base import Cause, HypervisorError
from causeway_controller.hypervisors.hyperv import identity
from causeway_controller.hypervisors.hyperv.identity import EndedError, Identities

Call = tuple[str, Mapping[str, object]]
"""A cmdlet and its parameters; what comes out of one goes into the next."""
Row = Mapping[str, Any]
"""The properties of an object, by their names."""
SMB: Final = 445
_IDLE_SECONDS: Final = 600
"""After so long the host ends the shell of a controller that was killed: a user may have 30 of them."""
_SERVICE: Final = "host"
"""Of whom a ticket is for: every computer of a domain has this name, others may be another account's."""
_NO_SHELL: Final = frozenset({2150858843, 2150858778})
"""The shell is not there any more (ERROR_WSMAN_UNEXPECTED_SELECTORS, ERROR_WSMAN_INVALID_SELECTORS)."""


class LostError(HypervisorError):
    """There is no answer, and what was asked may have been done: the connection or the shell is gone."""

    def __init__(self, message: str, *, cause: Cause = Cause.UNREACHED) -> None:
        super().__init__(message, cause=cause)


class DeniedError(HypervisorError):
    """The host lets this user or password not in."""

    def __init__(self, message: str, *, cause: Cause = Cause.LOGIN) -> None:
        super().__init__(message, cause=cause)


class CmdletError(HypervisorError):
    """A cmdlet refused."""

    def __init__(self, message: str) -> None:
        super().__init__(message, cause=Cause.REFUSED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a host listens, who it is known by, and who comes."""

    host: str
    port: int
    context: ssl.SSLContext
    who: Identities
    smb: int
    """The port of its files."""
    logins: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)
    """Held by whoever logs in to its files."""


@functools.cache
def load(name: str) -> Any:
    """Return a module of a package that is loaded when it is needed."""
    with contextlib.suppress(ImportError):
        identity.prepare()
    return importlib.import_module(name)


def long(number: int) -> Any:
    """Return a 64-bit integer: the package sends others as 32 bits, whatever they are."""
    return load("pypsrp.serializer").TaggedValue("I64", number)


def short(number: int) -> Any:
    """Return a 16-bit integer."""
    return load("pypsrp.serializer").TaggedValue("I16", number)


class Login:
    """A shell at the host, where one pipeline runs at a time."""

    def __init__(self, endpoint: Endpoint) -> None:
        """Blocks. Raises DeniedError, LostError and HypervisorError."""
        self.endpoint = endpoint
        self.root: str | None = None
        """Where the host's files are found, once somebody looked for it."""
        self.files: dict[str, Any] = {}
        """Connections to them."""
        self._lock = threading.Lock()
        self.identity = _identity(endpoint)
        self._wsman = load("pypsrp.wsman").WSMan(
            endpoint.host,
            port=endpoint.port,
            username=self.identity.user,
            password=self.identity.password,
            ssl=True,
            auth=self.identity.protocol,
            negotiate_service=_SERVICE,
            no_proxy=True,
            connection_timeout=tls.SECONDS,
            read_timeout=tls.SECONDS,
        )
        self._sockets = _secured(self._wsman, endpoint.context)
        self._pool = load("pypsrp.powershell").RunspacePool(
            self._wsman, no_profile=True, idle_timeout=_IDLE_SECONDS
        )
        try:
            with self._told():
                self._pool.open()
        except HypervisorError:
            self._disconnect()
            raise

    def run(self, *calls: Call) -> list[Row]:
        """Return what comes out of a pipeline of these calls.

        Raises LostError, and CmdletError with what the first of them said that refused.
        """
        with self._lock:
            shell = load("pypsrp.powershell").PowerShell(self._pool)
            for name, parameters in calls:
                shell.add_cmdlet(name).add_parameters(dict(parameters))
            with self._told():
                output = shell.invoke()
            # Else both sides keep the pipeline until the login ends, and a host has room for so many. That
            # nobody hears it is noticed with the next question.
            with contextlib.suppress(Exception):
                shell.close()
        if shell.had_errors or shell.streams.error:
            said = (
                "; ".join(dict.fromkeys(_words(one) for one in shell.streams.error)) or "no reason was given"
            )
            raise CmdletError(f"{' | '.join(name for name, _ in calls)}: {said}")
        return [_row(one) for one in output]

    def end(self) -> None:
        """Close the shell and all connections; raises nothing, for there may be nobody who listens."""
        with contextlib.suppress(Exception):
            self._pool.close()
        self._disconnect()
        with contextlib.suppress(Exception):
            load("smbclient").reset_connection_cache(fail_on_error=False, connection_cache=self.files)

    def _disconnect(self) -> None:
        with contextlib.suppress(Exception):
            self._wsman.close()
        # The package forgets a connection in the middle of a login that failed; its answer, which nobody
        # reads, keeps the socket open.
        for one in tuple(self._sockets):
            if (descriptor := one.detach()) >= 0:
                os.close(descriptor)

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """Have what the packages raise be one of ours."""
        requests, errors = load("requests.exceptions"), load("pypsrp.exceptions")
        try:
            yield
        except (load("spnego.exceptions").SpnegoError, errors.AuthenticationError) as error:
            raise refused(self.endpoint, error, _SERVICE) from error
        except errors.WSManFaultError as error:
            if error.code in _NO_SHELL:
                raise LostError("its shell has ended") from error
            said = f"WinRM says: {error.reason or error.message}"
            raise HypervisorError(said, cause=Cause.REFUSED) from error
        except requests.RequestException as error:
            raise _lost(error) from error
        except errors.WinRMError as error:
            raise LostError(str(error)[:500]) from error


def _identity(endpoint: Endpoint) -> identity.Identity:
    try:
        return endpoint.who.current()
    except EndedError as error:
        raise LostError(str(error), cause=error.cause) from error
    except HypervisorError as error:
        raise DeniedError(str(error), cause=error.cause) from error


def refused(endpoint: Endpoint, error: BaseException, service: str) -> HypervisorError:
    """Return what a login's refusal means; one whose ticket was too old is lost, and made anew."""
    said = endpoint.who.refusal(error, f"{service}/{endpoint.host}")
    kind = LostError if isinstance(said, EndedError) else DeniedError
    return kind(str(said), cause=said.cause)


def _secured(wsman: Any, context: ssl.SSLContext) -> weakref.WeakSet[ssl.SSLSocket]:
    """Have each connection shake hands by our context; their sockets are in what is returned, while they are.

    The package's own way would have a certificate file or no verification; ours compares the pin each time.
    """
    plain, pools, adapters = (
        load(name) for name in ("urllib3.connection", "urllib3.connectionpool", "requests.adapters")
    )

    sockets: weakref.WeakSet[ssl.SSLSocket] = weakref.WeakSet()

    class Connection(plain.HTTPSConnection):  # type: ignore[misc, name-defined]
        """One whose socket is ours."""

        def connect(self) -> None:
            connected = self._new_conn()
            try:
                self.sock = context.wrap_socket(connected, server_hostname=self.host)
            except BaseException:
                connected.close()
                raise
            sockets.add(self.sock)
            self.is_verified = True

    class Pool(pools.HTTPSConnectionPool):  # type: ignore[misc, name-defined]
        """Of such."""

        ConnectionCls = Connection

    transport = wsman.transport
    session = transport._build_session()  # noqa: SLF001 - it would be built at the first request
    # Nothing of the environment: neither proxies nor passwords of .netrc.
    session.trust_env = False
    adapter = adapters.HTTPAdapter(max_retries=0)
    adapter.poolmanager.pool_classes_by_scheme = {"https": Pool}
    session.adapters.clear()
    session.mount("https://", adapter)
    transport.session = session
    return sockets


def _words(record: Any) -> str:
    """What an error says."""
    return str(record).strip().splitlines()[0] if str(record).strip() else "no reason was given"


def _lost(error: BaseException) -> LostError:
    """What the innermost of nested errors says."""
    seen: BaseException = error
    while (inner := seen.__cause__ or seen.__context__) is not None:
        seen = inner
    said = tls.failure(seen)
    stranger = isinstance(seen, ssl.SSLCertVerificationError)
    return LostError(said, cause=Cause.IDENTITY if stranger else Cause.UNREACHED)


def _row(found: Any) -> Row:
    """The properties of an object that `Select-Object` made; text and numbers as the property `Value`."""
    told = getattr(found, "extended_properties", None)
    if told is None:
        return {"Value": found}
    return {name: _plain(value) for name, value in {**found.adapted_properties, **told}.items()}


def _plain(value: Any) -> Any:
    """An enumeration's member as its name; what else is no plain value as what it calls itself."""
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_plain(one) for one in value]
    if hasattr(value, "extended_properties"):
        return getattr(value, "to_string", None) or str(value)
    return value
