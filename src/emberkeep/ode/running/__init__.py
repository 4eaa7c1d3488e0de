"""How a plan's kernel is run on each kind of machine."""
