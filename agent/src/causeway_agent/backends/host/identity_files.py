"""Where the identity lies below the state directory; for those who only look."""

IDENTITY = "identity/agent.json"
"""Key, certificate and the controllers' authorities; one file, so that they change together."""
ENROLLED = "identity/enrolled"
"""Its existence voids the enrolment token."""
