"""The domain and its rules, as values. Pure."""
