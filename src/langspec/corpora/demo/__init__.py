"""An embedded, artificial multilingual corpus: one grammar of meanings, a realiser a language."""
