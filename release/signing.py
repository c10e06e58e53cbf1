"""The release's signature: OpenSSH's, which everybody can check who has `ssh-keygen`.

It is made over a namespace (PROTOCOL.sshsig): the signature of a release can never pass for that of an update
or of a commit, whatever key made it.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from release.checkout import Checkout, ReleaseError

VARIABLE = "CAUSEWAY_RELEASE_KEY"
"""Environment variable: a file, or the text of a private key. See `opened`."""
NAMESPACE = "causeway-release"
WHO = "release@causeway"
SIGNERS = "release.signers"
_PUBLIC = ("ssh-ed25519 ", "sk-ssh-ed25519@openssh.com ")


@dataclass(frozen=True, slots=True)
class Key:
    """What ssh-keygen signs with."""

    file: Path
    public: str
    """In OpenSSH's form: type and key."""

    @property
    def signers(self) -> str:
        """The file that says whom to believe: ALLOWED SIGNERS in ssh-keygen(1). Git checks tags by it too."""
        return f'{WHO} namespaces="{NAMESPACE},git" {self.public}\n'


@contextmanager
def opened(given: str) -> Iterator[Key]:
    """The key for as long as it is needed; raises ReleaseError when it is none.

    `given`: an Ed25519 private key, PKCS #8 or OpenSSH's, as text or in a file; or the file of a public key
    whose private one `ssh-agent` has, which may be on a security token.
    """
    text = given if "-----BEGIN" in given else _text(Path(given))
    if text.startswith(_PUBLIC):
        yield Key(Path(given), " ".join(text.split()[:2]))
        return
    private = _load(text.encode())
    with tempfile.TemporaryDirectory(prefix="causeway-release-") as name:
        file = Path(name) / "key"
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as writing:
            writing.write(
                private.private_bytes(
                    serialization.Encoding.PEM,
                    serialization.PrivateFormat.OpenSSH,
                    serialization.NoEncryption(),
                )
            )
        public = private.public_key().public_bytes(
            serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
        )
        yield Key(file, public.decode())


def sign(checkout: Checkout, key: Key, file: Path) -> None:
    """Write the signature beside the file, and whom to believe; check it as a user would."""
    signature, signers = file.with_name(f"{file.name}.sig"), file.with_name(SIGNERS)
    signature.unlink(missing_ok=True)
    signers.write_text(key.signers)
    checkout.run("ssh-keygen", "-Y", "sign", "-q", "-f", key.file, "-n", NAMESPACE, file)
    checkout.run(
        *("ssh-keygen", "-Y", "verify", "-f", signers, "-I", WHO, "-n", NAMESPACE, "-s", signature),
        text=file.read_text(),
    )


def fingerprint(checkout: Checkout, key: Key) -> str:
    """What people compare: `SHA256:...`."""
    return checkout.run("ssh-keygen", "-l", "-f", "-", text=key.public).split()[1]


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, ValueError) as error:
        raise ReleaseError(f"release: the key of {VARIABLE} cannot be read: {error}") from error


def _load(text: bytes) -> Ed25519PrivateKey:
    try:
        if text.startswith(b"-----BEGIN OPENSSH"):
            loaded: object = serialization.load_ssh_private_key(text, password=None)
        else:
            loaded = serialization.load_pem_private_key(text, password=None)
    except TypeError as error:
        hint = "give it to ssh-agent and name its public half"
        raise ReleaseError(f"release: the key of {VARIABLE} has a passphrase: {hint}") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ReleaseError(f"release: {VARIABLE} is no private key, PKCS #8 or OpenSSH's") from error
    if not isinstance(loaded, Ed25519PrivateKey):
        raise ReleaseError(f"release: the key of {VARIABLE} is no Ed25519 key")
    return loaded
