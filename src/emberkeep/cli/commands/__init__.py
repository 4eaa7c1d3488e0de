"""The commands, a module each, by its name; what several share is beside this folder."""
