"""Vibrations of tubes, and heat transport by phonons."""
