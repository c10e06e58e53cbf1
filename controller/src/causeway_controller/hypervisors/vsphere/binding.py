"""VMware's own binding, loaded when the first vSphere host is opened: who has none saves its memory."""

from __future__ import annotations

import contextlib
import functools
import importlib
import ssl
from types import ModuleType
from typing import Any

from causeway_controller.hypervisors import tls
from causeway_wire.types import Secret


@functools.cache
def load() -> tuple[ModuleType, ModuleType]:
    """Return `vim` and `vmodl`, the types of vSphere's API."""
    binding = importlib.import_module("pyVmomi")
    return binding.vim, binding.vmodl


class Service:
    """The service instance of a login, of which what stays the same meanwhile is asked for once.

    The binding asks for `content` at each mention: that was a quarter of all that a deployment asks.
    """

    def __init__(self, instance: Any) -> None:
        """Blocks; raises what the network and vSphere raise."""
        self.content = instance.RetrieveContent()
        self._instance = instance
        self._stub = instance._stub  # noqa: SLF001 - what makes references of the binding's

    def CurrentTime(self) -> Any:  # noqa: N802 - as the binding calls it
        """Return the host's time."""
        return self._instance.CurrentTime()


class Login:
    """A logged in session; its connections are closed when it is let go of."""

    def __init__(self, host: str, port: int, context: ssl.SSLContext, user: str, password: Secret) -> None:
        """Blocks; raises what the network and vSphere raise.

        The binding's own pins (`thumbprint`, `serverPemCert`) are not used: they switch the verification of
        the context off at the first mismatch, and look at the key once. Here each connection is verified.
        """
        vim, _ = load()
        connect = importlib.import_module("pyVim.connect")
        self._stub = connect.SmartStubAdapter(
            host=host, port=port, sslContext=context, httpConnectionTimeout=tls.SECONDS
        )
        instance = vim.ServiceInstance("ServiceInstance", self._stub)
        try:
            instance.RetrieveContent().sessionManager.Login(user, password.reveal(), None)
            # Afterwards: to whom nobody has logged in, a host may not tell all of it.
            self.service = Service(instance)
        except BaseException:
            self._stub.DropConnections()
            raise

    def __del__(self) -> None:
        stub = getattr(self, "_stub", None)
        if stub is not None:
            stub.DropConnections()

    def end(self) -> None:
        """Log out; raises nothing, for there may be nobody who listens."""
        with contextlib.suppress(Exception):
            self.service.content.sessionManager.Logout()
        self._stub.DropConnections()


def words(fault: Any) -> str:
    """What a fault says: its message, else its kind; of one of rights also which are lacking."""
    kind = type(fault).__name__.rpartition(".")[2]
    lacking = getattr(fault, "privilegeId", None)
    kind += f" ({lacking})" if lacking else ""
    message = str(getattr(fault, "msg", "") or getattr(fault, "faultMessage", "") or "").strip()
    return f"{kind}: {message}" if message and message != kind else kind
