"""Both slots of the system's disk: what is in them, what starts next, and how an update gets there.

A program of its own (`python -m causeway_agent.slots`), started for one request by the service manager and
gone afterwards: the agent may not write to disks, and who may write to disks should not talk to the network.
It remembers nothing: what is on the disk is the state. The only file that makes a system start is its loader
entry; it is written last and removed first.
"""
