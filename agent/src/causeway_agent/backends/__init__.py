"""One thin adapter per outside thing. No policy."""
