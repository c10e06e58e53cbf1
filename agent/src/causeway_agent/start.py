"""`causeway-agent` as a program: what was compiled beforehand is there before any module asks for it."""

from __future__ import annotations

from causeway_agent import compiled


def main() -> None:
    """Entry point of the `causeway-agent` command."""
    compiled.use()
    # Not before: its classes are made when it is loaded.
    from causeway_agent import __main__ as command  # noqa: PLC0415

    command.main()


if __name__ == "__main__":
    main()
