"""Measuring all trained runs of a task: what is measured, on what, and the files it gives."""
