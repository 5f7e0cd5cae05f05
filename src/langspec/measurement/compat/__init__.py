"""The published measure (Tanti et al. 2021), reproduced to be read beside the sound one.

Nothing here is a measure to report by itself: see docs/compat.md.
"""
