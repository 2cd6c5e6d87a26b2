"""Surrogates of what happens over time: controls in, one set of outcomes a step out.

`networks` are the architectures, `learned` the surrogate, `fitting` its training, `store` its files, `runs` the data.
"""

from matgym.surrogates.sequences.fitting import SequenceSettings, fit_sequences
from matgym.surrogates.sequences.learned import SequenceSurrogate
from matgym.surrogates.sequences.store import load_sequences, save_sequences

__all__ = ["SequenceSettings", "SequenceSurrogate", "fit_sequences", "load_sequences", "save_sequences"]
