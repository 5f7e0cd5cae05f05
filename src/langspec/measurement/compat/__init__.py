"""The published measure (Tanti et al. 2021), reproduced to stand beside the converged probe.

Do not report it by itself: docs/compat.md says why.
"""
