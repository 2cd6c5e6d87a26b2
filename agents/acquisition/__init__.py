"""Bayesian optimization whose acquisition function was learned on other problems."""
