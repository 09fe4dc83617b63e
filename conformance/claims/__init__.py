"""Textbook claims about batch normalization, measured."""
