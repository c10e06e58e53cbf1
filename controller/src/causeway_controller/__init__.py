"""The controller: deploys appliances, commands their agents over mutual TLS, runs failovers."""

__version__ = "0.1.0"
