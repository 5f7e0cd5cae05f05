"""Tables, figures and the one self-contained page, made from a run's result files alone."""
