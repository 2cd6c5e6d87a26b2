"""Surrogates of what happens over time: controls in, one set of outcomes a step out.

`networks` are the architectures, `learned` the surrogate, `fitting` its training, `store` its files, `runs` the data.
"""

from matgym.processes.sequences.fitting import SequenceConfig, fit_sequences
from matgym.processes.sequences.learned import SequenceSurrogate
from matgym.processes.sequences.store import load_sequences, save_sequences

__all__ = ["SequenceConfig", "SequenceSurrogate", "fit_sequences", "load_sequences", "save_sequences"]
