"""Surrogates of what happens over time: controls in, one set of outcomes a step out.

`networks` are the architectures, `learned` the surrogate, `fitting` its training, `store` its files, `runs` the data.
"""
