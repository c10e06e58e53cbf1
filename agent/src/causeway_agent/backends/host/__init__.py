"""The machine around the agent: files, clock, disks, service manager."""
