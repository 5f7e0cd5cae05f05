"""Any encoder on any folder of text: which languages it keeps apart, where, and what it costs."""
