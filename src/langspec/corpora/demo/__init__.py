"""An embedded, artificial multilingual corpus: one grammar of meanings, one realiser a language."""
