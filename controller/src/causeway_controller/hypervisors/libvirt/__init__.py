"""Hosts of libvirt: QEMU behind a daemon, on this machine or reached over TLS or SSH."""
