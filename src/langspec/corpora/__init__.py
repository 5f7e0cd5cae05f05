"""Readers of official formats, splits, filters, the data card, and the generated data sets."""
