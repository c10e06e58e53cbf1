"""A line between a site's router and the internet that is as bad as real ones are, in user space."""
