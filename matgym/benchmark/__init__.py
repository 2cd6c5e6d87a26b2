"""Benchmarks: methods at equal counts, verified by the oracle, over seeds."""

from matgym.benchmark.compare import Comparison, Verified, run, verify
from matgym.benchmark.search import Method, Search, search

__all__ = ["Comparison", "Method", "Search", "Verified", "run", "search", "verify"]
