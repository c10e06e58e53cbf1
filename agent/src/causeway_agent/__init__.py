"""The agent on a network extension appliance: one service that makes the machine what a document says."""

__version__ = "0.1.0"
