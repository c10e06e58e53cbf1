"""Pure failover sequencing: inventory to documents, failovers to steps. No clock, no socket, no file."""
