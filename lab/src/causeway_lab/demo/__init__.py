"""The demonstrations, and their proofs on real packets."""
