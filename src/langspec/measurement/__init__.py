"""Scores, probes, intervals: everything that is a number.

Words that this package uses throughout:

- A *unit* is what one vector stands for: a ``token`` (a word), a ``sentence`` (a whole text) or a
  ``pair`` (two texts).
- A *line* is the number of a text in its file. Translations of a text have the same line.
- An *item* is what a bootstrap draws as a whole: a sentence with all its tokens, or a line with
  all its translations.
- A *feature bank* holds the vectors of one encoder on some texts, layer by layer. Layer 0 are the
  embeddings, -1 means no layer or the last one.
- The *source* is the language that a task is trained in; all others are *targets*.
"""
