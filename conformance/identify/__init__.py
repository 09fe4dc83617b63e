"""Semantics of a black box, found by probes alone."""
