"""Handlers, peer identity, and problems for all that goes wrong. No decisions."""
