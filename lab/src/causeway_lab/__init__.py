"""The lab: both sites, gateways and an internet on one machine, real agents in them."""
