"""Vectors that lie in files: an eraser is fitted on them and applied, without an encoder."""
