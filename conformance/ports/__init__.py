"""Ports without Python: cases written as files, a port's outputs read back from files, and judged like any
implementation.

The folder is described to the byte in `EXPORT.md`.
"""
