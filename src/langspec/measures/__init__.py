"""What is measured of an encoder: a file a measure, and one runner of them all."""
