"""The lab put together: world, appliances, inventory, failovers."""
