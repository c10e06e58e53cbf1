"""Certificates and keys: authorities, what they sign, who we are."""
