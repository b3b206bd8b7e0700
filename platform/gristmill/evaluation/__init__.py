"""Benchmarks, sandbox, metrics, statistics (paper section 4)."""
