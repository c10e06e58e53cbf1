"""Hypervisors behind one Protocol (`base`), and the seed that a machine is started with."""
