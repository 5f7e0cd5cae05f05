"""What is measured of an encoder: one file for each measure."""
