"""Repositories -> clean, ordered documents (paper sections 2.1-2.4)."""
