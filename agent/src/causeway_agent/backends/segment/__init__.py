"""What is heard and said on an adapter's segment: ARP, neighbour discovery, probes."""
