"""Why a connection is none, as the operating system says it: client libraries add words of their own."""

from __future__ import annotations

import os
import ssl


def why(error: object) -> str:
    """Return it in few words, without the place: who asked knows that."""
    found = getattr(error, "os_error", error)
    of_tls = isinstance(found, ssl.SSLError)  # it numbers its errors otherwise; getaddrinfo(3) below 0
    number = 0 if of_tls else getattr(found, "errno", None) or 0
    said = os.strerror(number).lower() if number > 0 else getattr(found, "strerror", None)
    return said or str(error) or type(error).__name__
