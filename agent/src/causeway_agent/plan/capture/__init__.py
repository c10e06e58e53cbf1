"""Captures: which packets, as files and as text."""
