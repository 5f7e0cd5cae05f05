"""One module a language: lexicon, inflection, word order."""
