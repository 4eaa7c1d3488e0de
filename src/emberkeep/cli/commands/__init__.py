"""The commands, a module for each group; `cli.parser` says which command is where."""
