"""The two acts that claims rest on, and who is let in to files."""

from __future__ import annotations

import io
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from causeway_controller.hypervisors.base import Cause, HypervisorError
from causeway_controller.hypervisors.hyperv import files
from causeway_controller.hypervisors.hyperv.binding import DeniedError, Endpoint, LostError, load
from causeway_controller.hypervisors.hyperv.files import BusyError, Folder, MissingError, TakenError
from causeway_controller.hypervisors.hyperv.identity import Identities
from causeway_wire.types import Secret
from tests.hyperv import samba

pytestmark = [pytest.mark.conformance, pytest.mark.timeout(60)]

PASSWORD = "right"
SHARE = r"\\127.0.0.1\Hyper-V"


def nothing(_octets: int) -> None:
    """Nobody watches."""


def folder(port: int, *, password: str = PASSWORD, user: str = "svc") -> Folder:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    who = Identities(user, Secret(password))
    endpoint = Endpoint(host="127.0.0.1", port=1, context=context, who=who, smb=port)
    return Folder(endpoint, {}, root=rf"{SHARE}\Appliances")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = tmp_path / "root"
    made.mkdir()
    return made


@pytest.fixture
def port(tmp_path: Path, root: Path, image: Path) -> Iterator[int]:
    place = tmp_path / "samba"
    place.mkdir()
    with samba.running(place, share="Hyper-V", root=root, user="svc", password=PASSWORD) as one:
        yield one


def put(one: Folder, name: str, content: bytes) -> None:
    one.write(("attempt", name), io.BytesIO(content), nothing)


def test_a_folder_that_is_not_there_is_empty_and_has_the_room_of_what_it_is_in(port: int) -> None:
    one = folder(port)
    assert one.entries() == ()
    assert one.left(SHARE) == 80 << 30
    assert one.read("none") is None
    one.remove("none")
    with pytest.raises(MissingError):
        one.left(rf"{SHARE}\elsewhere")


def test_a_name_is_had_once(port: int, root: Path) -> None:
    one = folder(port)
    one.make("attempt")
    one.make("attempt")
    put(one, "claim", b"first")
    with pytest.raises(TakenError):
        put(one, "claim", b"again")
    one.rename(("attempt", "claim"), "acme.claim")
    put(one, "claim", b"second")
    with pytest.raises(TakenError):
        one.rename(("attempt", "claim"), "acme.claim")
    assert (root / "Appliances/acme.claim").read_bytes() == b"first"
    assert {(entry.name, entry.directory) for entry in one.entries()} == {
        ("acme.claim", False),
        ("attempt", True),
    }


def test_a_file_is_deleted_if_it_says_what_is_expected(port: int, root: Path) -> None:
    one = folder(port)
    one.make("attempt")
    put(one, "claim", b"first")
    one.rename(("attempt", "claim"), "acme.claim")
    assert not one.delete_if("acme.claim", b"other")
    assert one.read("acme.claim") == b"first"
    assert one.delete_if("acme.claim", b"first")
    assert not (root / "Appliances/acme.claim").exists()
    assert one.delete_if("acme.claim", b"first")  # it is gone, whoever did it


def test_nobody_else_has_it_open_meanwhile(port: int) -> None:
    one, other = folder(port), folder(port)
    one.make("attempt")
    put(one, "claim", b"first")
    one.rename(("attempt", "claim"), "acme.claim")
    with load("smbclient").open_file(other.path("acme.claim"), mode="rb", share_access="r", **other._options):
        with pytest.raises(BusyError, match="being used by another process"):
            one.delete_if("acme.claim", b"first")
        assert one.read("acme.claim") == b"first"
    assert one.delete_if("acme.claim", b"first")


class _Pauses:
    """Instead of the module `time`: who held the file lets go in the first pause."""

    def __init__(self, release: Callable[[], object]) -> None:
        self._release = release
        self.times = 0

    def sleep(self, _seconds: float) -> None:
        self.times += 1
        self._release()


@pytest.mark.parametrize("act", ["read", "delete", "rename"])
def test_a_file_that_is_held_for_a_moment_is_waited_for(
    port: int, act: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = folder(port), folder(port)
    one.make("attempt")
    put(one, "claim", b"first")
    one.rename(("attempt", "claim"), "acme.claim")
    path = other.path("acme.claim")
    held = load("smbclient").open_file(path, mode="rb", share_access="", **other._options)
    pauses = _Pauses(held.close)
    monkeypatch.setattr(files, "time", pauses)
    if act == "read":
        assert one.read("acme.claim") == b"first"
    elif act == "delete":
        assert one.delete_if("acme.claim", b"first")
    else:
        one.rename(("acme.claim",), "acme-two.claim")
    assert pauses.times == 1


def test_two_that_remove_a_file_at_once_both_see_it_gone(port: int, root: Path) -> None:
    one = folder(port)
    one.make("attempt")
    for number in range(20):
        put(one, "claim", b"first")
        one.rename(("attempt", "claim"), "acme.claim")
        barrier = threading.Barrier(3)
        said: list[bool] = []

        def act(removes: Folder, barrier: threading.Barrier = barrier, said: list[bool] = said) -> None:
            barrier.wait(30)
            said.append(removes.delete_if("acme.claim", b"first"))

        removers = [threading.Thread(target=act, args=(folder(port),)) for _ in range(2)]
        for thread in removers:
            thread.start()
        barrier.wait(30)
        assert one.read("acme.claim") in {None, b"first"}
        for thread in removers:
            thread.join(30)
        assert said == [True, True], number
        assert not (root / "Appliances/acme.claim").exists()


def test_a_folder_that_somebody_writes_into_stays(port: int, root: Path) -> None:
    one, other = folder(port), folder(port)
    one.make("attempt")
    refused: list[HypervisorError] = []

    def meanwhile(_octets: int) -> None:
        with pytest.raises(HypervisorError) as error:
            other.remove("attempt")
        refused.append(error.value)

    one.write(("attempt", "disk"), io.BytesIO(b"content"), meanwhile)
    assert refused
    assert (root / "Appliances/attempt/disk").read_bytes() == b"content"
    other.remove("attempt")
    assert one.entries() == ()


@pytest.mark.parametrize("who", [{"password": "wrong"}, {"user": "nobody"}])
def test_who_does_not_know_the_password_is_not_let_in(port: int, who: dict[str, str]) -> None:
    with pytest.raises(DeniedError, match=r"refuses user or password.*at its files") as refused:
        folder(port, **who).entries()
    assert refused.value.cause is Cause.LOGIN


@pytest.mark.parametrize("anybody", ["off", "desired"])
def test_a_server_in_its_place_that_lets_anybody_in_is_sent_nothing(
    tmp_path: Path, root: Path, image: Path, anybody: str
) -> None:
    """It does not know the password, so it has no key to encrypt with."""
    place = tmp_path / "other"
    place.mkdir()
    root.chmod(0o777)
    with samba.running(
        place, share="Hyper-V", root=root, user="svc", password="of theirs", anybody=anybody
    ) as port:
        theirs = folder(port)
        with pytest.raises(HypervisorError):
            theirs.make("attempt")
        with pytest.raises(HypervisorError):
            put(theirs, "claim", b"secret")
    assert list(root.iterdir()) == []


def test_nobody_who_answers_is_lost(image: Path) -> None:
    with pytest.raises(LostError) as refused:
        folder(1).entries()
    assert refused.value.cause is Cause.UNREACHED
