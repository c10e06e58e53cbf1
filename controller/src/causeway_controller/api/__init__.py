"""Handlers of the controller's API: who asks, may they; no decisions."""
