"""Where the starting encoder comes from: a folder, a package, or pre-trained here."""
