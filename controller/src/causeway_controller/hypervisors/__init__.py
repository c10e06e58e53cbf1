"""Hypervisor providers behind one Protocol (`base`)."""
