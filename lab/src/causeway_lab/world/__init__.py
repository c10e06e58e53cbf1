"""The lab's networks and machines, before anything of Causeway is on them."""
