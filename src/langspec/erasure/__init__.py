"""Erasing language from feature vectors: fitted on training text, then applied to any vectors."""
