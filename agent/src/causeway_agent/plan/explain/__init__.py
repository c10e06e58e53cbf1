"""The way of a packet through this appliance, in words."""
