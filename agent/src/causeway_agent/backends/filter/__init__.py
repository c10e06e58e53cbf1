"""The packet filter and its flows, over nfnetlink and the nft worker."""
