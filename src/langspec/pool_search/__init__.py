"""Search measured as people run it: one pool of texts in all languages, queries in each."""
