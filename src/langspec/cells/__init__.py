"""A study in cells: one training with all that is measured of it, written as soon as it ends."""
