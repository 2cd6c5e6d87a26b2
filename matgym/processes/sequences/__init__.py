"""Surrogates of processes over time, which predict outcomes after each step from the controls of the steps.

`networks` holds the architectures, `learned` the surrogate and its files, `fitting` its training, `runs` the data.
"""
