"""Power cuts during updates: writes of the image's own programs, cut off anywhere (`make power-cuts`)."""
