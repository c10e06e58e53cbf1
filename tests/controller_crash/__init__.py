"""Controllers killed and stopped at every boundary of every workflow, and another one that takes over."""
