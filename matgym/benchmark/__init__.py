"""Benchmarks: methods at equal counts, verified by the oracle, over seeds."""

from matgym.benchmark.compare import Comparison, Verified, run, verify
from matgym.benchmark.methods import Method, NamedMethod
from matgym.benchmark.search import Search, search

__all__ = ["Comparison", "Method", "NamedMethod", "Search", "Verified", "run", "search", "verify"]
