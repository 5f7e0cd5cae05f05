"""``python -m langspec``, and ``accelerate launch -m langspec``."""

from langspec.cli import main

if __name__ == "__main__":
    main()
