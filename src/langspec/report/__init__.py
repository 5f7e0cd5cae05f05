"""Tables, figures and the one page."""
