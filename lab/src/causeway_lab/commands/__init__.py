"""The commands `causeway lab ...`."""
