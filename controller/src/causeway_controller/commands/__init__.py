"""Commands that start or prepare a controller on this host; each opens `app` only when it is called."""
