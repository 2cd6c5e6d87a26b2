"""Benchmarks: methods at equal numbers of evaluations, over seeds, with designs verified by the oracle."""

from matgym.benchmark.comparison import Comparison, run
from matgym.benchmark.methods import Method, NamedMethod
from matgym.benchmark.results import MethodFigures, Results
from matgym.benchmark.runner import run_suite
from matgym.benchmark.search import Search, search
from matgym.benchmark.suite import Suite

__all__ = [
    "Comparison",
    "Method",
    "MethodFigures",
    "NamedMethod",
    "Results",
    "Search",
    "Suite",
    "run",
    "run_suite",
    "search",
]
