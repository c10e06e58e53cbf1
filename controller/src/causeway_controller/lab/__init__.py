"""The embedded lab: both sites, gateways and an internet as network namespaces, real agents in them."""
