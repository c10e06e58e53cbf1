"""The packet filter as nft text and as elements of sets, for a policy and for public rules."""
