"""The command `causeway`."""
