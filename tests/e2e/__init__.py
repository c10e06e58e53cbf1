"""The image in `dist`, deployed by real controllers onto a real libvirt host, end to end."""
