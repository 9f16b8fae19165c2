"""Benchmarks: speed and memory next to a peer in the same run."""
