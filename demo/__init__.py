"""The grammar of the demo corpora: one stock of meanings, said in six languages.

``python -m demo`` writes its files; see README.md.
"""
