"""Surrogates of what happens over time: controls in, one set of outcomes a step out.

`networks` are the architectures, `learned` the surrogate and its files, `fitting` its training, `runs` the data.
"""
