"""langspec: what a multilingual encoder knows about which language it is reading."""

__version__ = "0.1.0"
