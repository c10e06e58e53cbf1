"""The agent on a network extension appliance: one service that makes the machine what a document says."""

from causeway_wire import __version__

__all__ = ["__version__"]
