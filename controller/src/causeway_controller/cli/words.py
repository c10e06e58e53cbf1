"""What a command line is made of: text."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup


class TextOnly(TyperGroup):
    """Refuses words that are no text, before any command takes one for a name, a file or a reason.

    Python keeps octets that are not UTF-8 as lone surrogates (PEP 383). No JSON, URL or audit can hold them.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Return what is left of the words, as the class above. Raises BadParameter."""
        for word in args:
            try:
                word.encode()
            except UnicodeEncodeError:
                shown = word.encode(errors="surrogateescape").decode(errors="backslashreplace")
                raise typer.BadParameter(
                    f"{shown}: not text in UTF-8; write it anew, and give a file of such a name another one"
                ) from None
        left: list[str] = super().parse_args(ctx, args)
        return left
