"""The chapters of the demonstration; each takes the lab where the one before left it."""
