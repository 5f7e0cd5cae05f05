"""Scores, probes, intervals: everything that is a number."""
