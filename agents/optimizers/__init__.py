"""Optimizers: one search each, asked for designs and told what they were worth."""
