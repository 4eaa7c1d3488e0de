"""What is integrated: equations, names and default values."""
