"""Observation + golden values + allowances -> verdicts, held against the known differences."""
