"""The gateway's UDP door, and what is asked of it."""
