"""From a document and the facts of this machine to a target, or to all its problems."""
