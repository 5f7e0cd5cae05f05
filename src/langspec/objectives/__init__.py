"""What one step minimises: a method is one small class."""
