"""Typed client of the agent API, and enrolment."""
