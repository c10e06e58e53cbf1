"""From what is to what shall be, and the judgements made while it stands."""
