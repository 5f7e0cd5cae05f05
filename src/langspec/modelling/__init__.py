"""Modules only: pooling, heads, the encoder with its heads."""
