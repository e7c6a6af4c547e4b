"""Benchmarks, each a ratio to something run beside it."""
