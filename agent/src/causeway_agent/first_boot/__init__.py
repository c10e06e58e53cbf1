"""First boot: how a fresh appliance learns who it is, and what its console says until and after that."""
