"""Why nobody was let in at a libvirt host, and what to do about it there.

libvirt tells most of it in words, which change: what is judged by is how the host is reached, and numbers.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any, Final

from causeway_controller.hypervisors.base import Cause, HypervisorError
from causeway_controller.hypervisors.libvirt import binding
from causeway_controller.inventory.libvirt_names import Transport

_LINES: Final = 2
"""OpenSSH says last why it gave up, after a page about a key that has changed."""
_DAEMON: Final = "see that libvirt's daemon runs, and that the controller's user is in its group, `libvirt`"
_REACH: Final = (
    "see that the endpoint is right, that the host runs, and that a firewall lets us through to TCP"
)
_ADVICE: Final = {
    Transport.LOCAL: _DAEMON,
    Transport.SOCKET: f"see that the endpoint's socket is there; {_DAEMON}",
    Transport.SSH: (
        f"{_REACH} 22; as the controller's user, whose `~/.ssh` has its key and the host's in `known_hosts`, "
        "try `virsh -c ENDPOINT list`"
    ),
    Transport.TLS: f"{_REACH} 16514, where `libvirtd-tls.socket` listens",
}
_NO_LOGIN: Final = (
    "name as `login` a secret with our certificate, its key and the authority that signed the host's; "
    "without it libvirt's own files in /etc/pki are taken"
)
_NOT_THEM: Final = (
    "see that it is libvirt's TLS that listens there, that the host's certificate has the endpoint's name "
    "among its own, and that the authority in the secret of its `login` signed it"
)
_NOT_US: Final = (
    "see on the host that its `ca_file` has the authority of our certificate, and `tls_allowed_dn_list` our "
    "name; its libvirt daemon's log says what it did not like"
)


def told(host: str, transport: Transport, connect: Callable[[], Any], *, login: bool) -> Callable[[], Any]:
    """Return what connects, and raises HypervisorError with the remedy where it is refused."""

    def connected() -> Any:
        try:
            return connect()
        except binding.load().libvirtError as error:
            raise _refusal(host, transport, error, login=login) from error

    return connected


def _refusal(host: str, transport: Transport, error: Any, *, login: bool) -> HypervisorError:
    text = f"host {host} cannot be reached: {' '.join(str(error).splitlines()[-_LINES:])}"
    cause, advice = Cause.UNREACHED, _ADVICE[transport]
    if transport is Transport.TLS:
        if error.get_error_code() == binding.load().VIR_ERR_AUTH_FAILED:
            cause, advice = Cause.IDENTITY, _NOT_THEM
        elif error.get_int1() == errno.EIO:
            cause, advice = Cause.LOGIN, _NOT_US
        elif error.get_int1() == errno.ENOENT and not login:
            cause, advice = Cause.LOGIN, _NO_LOGIN
    return HypervisorError(text, cause=cause, advice=advice)
