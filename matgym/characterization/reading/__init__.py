"""Estimators that read numbers, with standard uncertainties, from what an instrument shows of a film or a forest.

A task draws measurements with true values under drawn conditions; `fitting` trains a network on them; a `Reader`, or an
estimator without learning, returns values with standard uncertainties. `READINGS` in `registry` lists the tasks.
"""
