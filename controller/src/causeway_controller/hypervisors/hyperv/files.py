"""The folder of appliances on a host, over SMB 3, encrypted. Blocking.

Two acts here are atomic, and what is decided rests on them: a file is renamed to a name that nobody has, and
a file is deleted by whoever read, without anybody else at it, that it says what is expected.
"""

from __future__ import annotations

import contextlib
import errno
import ntpath
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, Final, TypeVar

from causeway_controller.hypervisors.base import HypervisorError
from causeway_controller.hypervisors.hyperv.binding import Endpoint, LostError, load, refused
from causeway_controller.hypervisors.hyperv.listening import LOGIN_SECONDS, Connections

Answer = TypeVar("Answer")

_PIECE: Final = 1 << 20
_LONGEST: Final = 4096
"""Octets of a file that is read whole."""
_FULL: Final = 0xC000007F
_DENIED: Final = 0xC0000022
_NO_LOGON: Final = 0xC000006D
"""STATUS_DISK_FULL, STATUS_ACCESS_DENIED, STATUS_LOGON_FAILURE (MS-ERREF, 2.3)."""
_MISSING: Final = frozenset({errno.ENOENT})
_BUSY: Final = frozenset({0xC0000043, 0xC0000056})
"""STATUS_SHARING_VIOLATION, STATUS_DELETE_PENDING (as above)."""
_PAUSES: Final = (0.02, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
"""Seconds after each try at a file that somebody else has open, such as what looks for viruses."""
_READ: Final = 0x0001 | 0x0080  # FILE_READ_DATA, FILE_READ_ATTRIBUTES (MS-SMB2, 2.2.13.1.1)
_DELETE: Final = 0x00010000


class MissingError(HypervisorError):
    """There is no such file or folder."""


class TakenError(HypervisorError):
    """There is one of this name already."""


class BusyError(HypervisorError):
    """Somebody else has it open, and lets nobody do this meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Something in the folder."""

    name: str
    directory: bool
    made: float
    """When, by the host's clock; seconds of the epoch."""


class Folder:
    """What of a share is ours: the folder of appliances."""

    def __init__(self, endpoint: Endpoint, connections: dict[str, Any], *, root: str) -> None:
        r"""`root`: as `\\HOST\SHARE\...`; it need not be there yet. Nothing is connected by this.

        Raises HypervisorError where a KDC refuses another ticket.
        """
        self._root = root
        self._endpoint = endpoint
        self._identity = identity = endpoint.who.current()
        self._options = {
            "username": identity.user,
            "password": identity.password,
            "auth_protocol": identity.protocol,
            "port": endpoint.smb,
            "encrypt": True,
            "connection_timeout": LOGIN_SECONDS,
            "connection_cache": Connections(connections, endpoint, identity),
        }

    def path(self, *parts: str) -> str:
        """Return the way to something in the folder."""
        return ntpath.join(self._root, *parts)

    def make(self, *parts: str) -> None:
        """Make the folder, or a folder in it, unless it is there."""
        with self._told(self.path(*parts)):
            load("smbclient").makedirs(self.path(*parts), exist_ok=True, **self._options)

    def entries(self) -> tuple[Entry, ...]:
        """Return what is in the folder; nothing where there is none."""
        try:
            with self._told(self._root), load("smbclient").scandir(self._root, **self._options) as found:
                return tuple(
                    Entry(
                        name=one.name,
                        directory=one.is_dir(follow_symlinks=False),
                        made=one.smb_info.creation_time.timestamp(),
                    )
                    for one in found
                )
        except MissingError:
            return ()

    def left(self, above: str) -> int:
        r"""Return how many octets this login may still write, asked of the nearest folder that is there.

        `above`: the last one to ask, as `\\HOST\SHARE\...`.
        """
        for path in (self._root, above):
            with contextlib.suppress(MissingError), self._told(path):
                return int(load("smbclient").stat_volume(path, **self._options).caller_available_size)
        raise MissingError(f"{above} is not there")

    def write(
        self,
        parts: tuple[str, ...],
        content: BinaryIO,
        sent: Callable[[int], None],
        *,
        large: bool = False,
    ) -> None:
        """Write a new file; `sent` is told of each piece, and ends it by raising.

        One that is `large` has a connection of its own: several at once use up the credits of one, and
        whoever has none is refused by the package (MS-SMB2, 3.2.4.1.2).
        """
        path = self.path(*parts)
        with (
            self._alone() if large else contextlib.nullcontext(self._options) as options,
            self._told(path),
            load("smbclient").open_file(path, mode="xb", **options) as file,
        ):
            while piece := content.read(_PIECE):
                file.write(piece)
                sent(len(piece))

    def read(self, name: str) -> bytes | None:
        """Return a small file; None where there is none. Raises BusyError where it is held for seconds."""
        path = self.path(name)

        def act() -> bytes:
            with (
                self._told(path),
                load("smbclient").open_file(path, mode="rb", share_access="rwd", **self._options) as file,
            ):
                return bytes(file.read(_LONGEST))

        try:
            return _when_free(act)
        except MissingError:
            return None

    def rename(self, old: tuple[str, ...], new: str) -> None:
        """Give a file another name, as one act. Raises TakenError where somebody has it.

        Raises BusyError where the file is held for seconds.
        """

        def act() -> None:
            with self._told(self.path(new)):
                load("smbclient").rename(self.path(*old), self.path(new), **self._options)

        _when_free(act)

    def delete_if(self, name: str, content: bytes) -> bool:
        """Delete a file if that is what it says; whether it is gone. Nobody else has it open meanwhile.

        Raises BusyError where somebody has for seconds.
        """
        path = self.path(name)

        def act() -> bool:
            with (
                self._told(path),
                load("smbclient").open_file(
                    path, mode="rb", buffering=0, desired_access=_READ | _DELETE, **self._options
                ) as file,
            ):
                if file.read(_LONGEST) != content:
                    return False
                _delete_open(file.fd)
            return True

        try:
            return _when_free(act)
        except MissingError:
            return True

    def delete(self, *parts: str) -> None:
        """Delete a file, or nothing where there is none."""
        path = self.path(*parts)
        with contextlib.suppress(MissingError), self._told(path):
            load("smbclient").remove(path, **self._options)

    def remove(self, name: str) -> None:
        """Delete a folder with all that is in it, or nothing where there is none."""
        with contextlib.suppress(MissingError), self._told(self.path(name)):
            load("smbclient.shutil").rmtree(self.path(name), **self._options)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[dict[str, Any]]:
        """Options by which the package has a connection that nobody else uses, until then."""
        own: dict[str, Any] = {}
        try:
            yield {**self._options, "connection_cache": Connections(own, self._endpoint, self._identity)}
        finally:
            load("smbclient").reset_connection_cache(fail_on_error=False, connection_cache=own)

    @contextlib.contextmanager
    def _told(self, path: str) -> Iterator[None]:
        """Have what the package raises be one of ours."""
        errors = load("smbprotocol.exceptions")
        try:
            yield
        except errors.SMBOSError as error:
            if error.errno in _MISSING:
                raise MissingError(f"{path} is not there") from error
            if error.errno == errno.EEXIST:
                raise TakenError(f"{path} is there already") from error
            if error.ntstatus in _BUSY:
                raise BusyError(f"{path}: {error}") from error
            if error.ntstatus == _NO_LOGON:
                raise self._refused(path, error) from error
            raise HypervisorError(f"{path}: {_words(error.ntstatus, error)}") from error
        except (
            errors.LogonFailure,
            errors.SMBAuthenticationError,
            load("spnego.exceptions").SpnegoError,
        ) as error:
            raise self._refused(path, error) from error
        except errors.SMBConnectionClosed as error:
            raise LostError(f"the connection to {path} was lost") from error
        except errors.SMBResponseException as error:
            raise HypervisorError(f"{path}: {_words(error.status, error)}") from error
        except (OSError, EOFError, ValueError, errors.SMBException) as error:
            raise LostError(f"{path}: {error}") from error

    def _refused(self, path: str, error: BaseException) -> HypervisorError:
        said = refused(self._endpoint, error, "cifs")
        return type(said)(f"{said} (at its files, {path})", cause=said.cause)


def _when_free(act: Callable[[], Answer]) -> Answer:
    """Do this once nobody else has the file open. Raises BusyError where that takes seconds."""
    for pause in _PAUSES:
        try:
            return act()
        except BusyError:
            time.sleep(pause)
    return act()


def _delete_open(opened: Any) -> None:
    """Have the file go when this handle is closed (MS-FSCC, 2.4.11)."""
    information = load("smbprotocol.file_info").FileDispositionInformation()
    information["delete_pending"] = True
    request = load("smbprotocol.open").SMB2SetInfoRequest()
    request["info_type"] = information.INFO_TYPE
    request["file_info_class"] = information.INFO_CLASS
    request["file_id"] = opened.file_id
    request["buffer"] = information
    tree = opened.tree_connect
    sent = opened.connection.send(request, tree.session.session_id, tree.tree_connect_id)
    opened.connection.receive(sent)


def _words(status: int, error: Exception) -> str:
    if status == _FULL:
        return "the disk is full; make room"
    if status == _DENIED:
        return "this login may not; give it the rights of the how-to on the share and on the folder"
    return str(error)
