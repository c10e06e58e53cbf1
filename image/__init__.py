"""Builds the appliance's disk image: `python -m image build`, or `make image`.

Runs on the builder, never on an appliance, and imports none of the three packages. Each step is a function
over a `Workshop`; what can be decided without touching anything is in modules without effects (layout,
mirrors, ovf, materials).
"""
