"""Vibrations of a tube, and the heat that they carry."""
