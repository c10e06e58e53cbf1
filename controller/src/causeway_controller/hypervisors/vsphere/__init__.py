"""Hosts of VMware vSphere: vCenter, and ESXi by itself."""
