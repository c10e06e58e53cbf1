"""Certificates out of a login's secret, and images that are none."""

from __future__ import annotations

import errno
import struct
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from causeway_controller.hypervisors.base import Cause, HypervisorError
from causeway_controller.hypervisors.libvirt import binding, opening, refusals, volumes
from causeway_controller.inventory.libvirt_names import Transport
from causeway_wire.types import Secret


def block(what: str, text: str) -> str:
    return f"-----BEGIN {what}-----\n{text}\n-----END {what}-----\n"


OURS, KEY = block("CERTIFICATE", "b3Vycw=="), block("PRIVATE KEY", "a2V5")
FIRST, SECOND = block("CERTIFICATE", "Zmlyc3Q="), block("CERTIFICATE", "c2Vjb25k")


def test_our_certificate_comes_first_and_authorities_after_it() -> None:
    found = opening.certificates(Secret(f"about this host\n{OURS}{KEY}{FIRST}{SECOND}"))
    assert found == {
        "clientcert.pem": OURS.strip(),
        "clientkey.pem": KEY.strip(),
        "cacert.pem": f"{FIRST.strip()}\n{SECOND.strip()}",
    }


@pytest.mark.parametrize("text", ["", OURS, OURS + KEY, KEY + KEY + OURS + FIRST, OURS + FIRST])
def test_what_lacks_a_part_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(ValueError, match=r"our certificate, its key, and the authority") as refused:
        opening.certificates(Secret(text))
    assert "a2V5" not in str(refused.value)


def pair(ends: datetime) -> tuple[str, str]:
    """A certificate that ends then, after a day, and its key."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    made = made.not_valid_before(ends - timedelta(days=1)).not_valid_after(ends)
    plain = serialization.NoEncryption()
    return (
        made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode(),
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain).decode(),
    )


def test_a_certificate_that_has_ended_or_has_another_key_is_told() -> None:
    ends = datetime(2026, 11, 30, 12, tzinfo=UTC)
    (ours, key), (_, other) = pair(ends), pair(ends)
    in_time = ends - timedelta(hours=1)
    opening.verify({"clientcert.pem": ours, "clientkey.pem": key}, now=in_time)
    with pytest.raises(ValueError, match="only from 2026-11-29 12:00 to 2026-11-30 12:00 UTC"):
        opening.verify({"clientcert.pem": ours, "clientkey.pem": key}, now=ends + timedelta(hours=1))
    with pytest.raises(ValueError, match="is not the one of our certificate"):
        opening.verify({"clientcert.pem": ours, "clientkey.pem": other}, now=in_time)
    with pytest.raises(ValueError, match="cannot be read"):
        opening.verify({"clientcert.pem": OURS, "clientkey.pem": KEY}, now=in_time)


class RefusalError(Exception):
    """As the binding's: two numbers beside the words."""

    def __init__(self, code: int, number: int, text: str) -> None:
        super().__init__(text)
        self.numbers = code, number

    def get_error_code(self) -> int:
        return self.numbers[0]

    def get_int1(self) -> int:
        return self.numbers[1]


@pytest.mark.parametrize(
    ("transport", "login", "refusal", "remedy"),
    [
        (Transport.TLS, True, (45, -1, "not verified"), (Cause.IDENTITY, "has the endpoint's name")),
        (Transport.TLS, True, (38, errno.EIO, "no confirmation"), (Cause.LOGIN, "tls_allowed_dn_list")),
        (
            Transport.TLS,
            False,
            (38, errno.ENOENT, "no cacert.pem"),
            (Cause.LOGIN, "name as `login` a secret"),
        ),
        (Transport.TLS, True, (38, errno.ECONNREFUSED, "refused"), (Cause.UNREACHED, "TCP 16514")),
        (
            Transport.SSH,
            False,
            (38, errno.ECONNRESET, "a\npage\nverification\nfailed"),
            (Cause.UNREACHED, "known_hosts"),
        ),
        (
            Transport.SOCKET,
            False,
            (38, errno.ENOENT, "no socket"),
            (Cause.UNREACHED, "endpoint's socket is there"),
        ),
        (Transport.LOCAL, False, (38, errno.EACCES, "denied"), (Cause.UNREACHED, "is in its group")),
    ],
)
def test_each_refusal_has_the_remedy_of_its_transport(
    monkeypatch: pytest.MonkeyPatch,
    transport: Transport,
    login: bool,  # noqa: FBT001 - of the table
    refusal: tuple[int, int, str],
    remedy: tuple[Cause, str],
) -> None:
    fake = SimpleNamespace(libvirtError=RefusalError, VIR_ERR_AUTH_FAILED=45)
    monkeypatch.setattr(binding, "load", lambda: fake)

    def connect() -> None:
        raise RefusalError(*refusal)

    with pytest.raises(HypervisorError) as refused:
        refusals.told("kvm1", transport, connect, login=login)()
    cause, advice = remedy
    assert (refused.value.cause, advice in refused.value.advice) == (cause, True)
    last = " ".join(refusal[2].splitlines()[-2:])
    assert str(refused.value) == f"host kvm1 cannot be reached: {last}"


def test_the_size_of_the_disk_is_the_images_not_the_files(tmp_path: Path) -> None:
    path = tmp_path / "image"
    path.write_bytes(struct.pack(">4sIQIIQ", b"QFI\xfb", 3, 0, 0, 16, 3 << 30) + bytes(512))
    assert volumes.disk_size(path) == 3 << 30


@pytest.mark.parametrize(
    "head",
    [b"", b"QFI\xfb", bytes(4096), struct.pack(">4sIQIIQ", b"QFI\xfb", 3, 512, 9, 16, 3 << 30)],
    ids=["empty", "short", "raw", "over another file"],
)
def test_what_is_no_image_is_refused_before_anything_is_sent(tmp_path: Path, head: bytes) -> None:
    path = tmp_path / "image"
    path.write_bytes(head)
    with pytest.raises(HypervisorError, match=r"appliances.image names"):
        volumes.disk_size(path)
    with pytest.raises(HypervisorError, match="cannot be read"):
        volumes.disk_size(tmp_path / "none")
