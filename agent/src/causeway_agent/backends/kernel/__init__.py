"""The kernel's network configuration, over rtnetlink(7), ioctls and /proc/sys."""
