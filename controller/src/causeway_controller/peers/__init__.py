"""The other site's controller: how it is known, and how it is asked."""
