"""How commands end: the exit codes, and what raises them.

0   done; nothing is wrong
1   refused, or something was found: a problem in a file, a difference, a broken audit
2   the command line is wrong
3   no controller answers
4   a run ended otherwise than wanted
"""

from __future__ import annotations

import ssl
from errno import EACCES
from typing import Final

from causeway_controller import system_words

OK: Final = 0
REFUSED: Final = 1
USAGE: Final = 2
UNREACHABLE: Final = 3
RUN_FAILED: Final = 4


class UsageError(Exception):
    """The command line, or a file it names, is wrong."""


class UnreachableError(Exception):
    """No controller answers."""

    def __init__(self, where: str, reason: object, *, local: bool = False) -> None:
        """`local`: on this host, where it can be started."""
        if isinstance(found := getattr(reason, "certificate_error", None), ssl.SSLCertVerificationError):
            super().__init__(
                f"who answers at {where} shows a certificate that is not trusted ({found.verify_message}): "
                "name the controller's own, or the authority that signed it, with --ca-file "
                "(CAUSEWAY_CA_FILE), and call it by a name that is in it; nothing was sent"
            )
            return
        started = "`systemctl status causeway`; by hand it is `causeway serve`"
        hint = (
            f"is it running ({started if local else 'there: `systemctl status causeway`'}), and is that its "
            "place (--socket or --server)?"
            if getattr(reason, "errno", None) != EACCES
            else "root and the members of its group may ask there (`adduser YOU causeway`, new login); "
            "everybody else needs --server and a token"
        )
        if isinstance(reason, TimeoutError):
            hint = f"what it was asked may go on there: see `causeway status`, then repeat it; else {hint}"
        super().__init__(f"no controller answers at {where} ({system_words.why(reason)}); {hint}")
