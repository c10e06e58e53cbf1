"""Work that takes time: failovers and what they do to machines and appliances."""
