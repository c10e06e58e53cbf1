"""Certificates and keys for the ssl module, which reads them from files and nothing else."""

from __future__ import annotations

import os
import ssl

from causeway_wire.types import Pem, Secret


def load(context: ssl.SSLContext, certificate: Pem, key: Secret) -> None:
    """Give a context its certificate and key, by a file in memory: the key is on no disk.

    Raises ValueError when they are no pair. See memfd_create(2).
    """
    descriptor = os.memfd_create("certificate", os.MFD_CLOEXEC)
    try:
        with open(descriptor, "wb", closefd=False) as file:
            file.write((key.reveal() + certificate).encode("ascii"))
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    except ssl.SSLError as error:
        raise ValueError(f"the certificate and its key cannot be used ({error.reason})") from error
    finally:
        os.close(descriptor)
