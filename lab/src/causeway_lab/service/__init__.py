"""The lab in the background: its daemon, its orders, what it tells."""
