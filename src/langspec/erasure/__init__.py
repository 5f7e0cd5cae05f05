"""Closed-form erasure of language from features: fit on training text, apply to anything."""
