"""The controller: deploys appliances, commands their agents over mutual TLS, runs failovers."""

from causeway_wire import __version__

__all__ = ["__version__"]
