"""Batch normalization: one executable definition."""

__version__ = "0.1.0"
