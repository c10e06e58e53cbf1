"""Whether the publisher signed an update, on systems that were built with a publisher's key.

The key is part of the system, not of the settings: who commands the agent may not choose whom it believes.
"""

from __future__ import annotations

from pathlib import Path

from causeway_agent.slots.archive import refused

KEY = Path("/usr/lib/causeway/publisher.pem")
"""Ed25519 public key (SubjectPublicKeyInfo, PEM); systems without it take updates without a signature."""


def verify(manifest: bytes, signature: bytes | None, *, key: Path = KEY) -> None:
    """Raises ProblemError unless the publisher's key, if there is one, signed this text."""
    if not key.exists():
        return
    # Loaded only here: the library is large.
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415

    if signature is None:
        raise refused("this system takes updates of its publisher only, and this one is not signed")
    public = serialization.load_pem_public_key(key.read_bytes())
    if not isinstance(public, Ed25519PublicKey):
        raise refused(f"{key} is no Ed25519 key")
    try:
        public.verify(signature, manifest)
    except InvalidSignature as error:
        raise refused("the signature is not that of this system's publisher") from error
