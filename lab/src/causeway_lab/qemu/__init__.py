"""Machines that really boot, in QEMU."""
