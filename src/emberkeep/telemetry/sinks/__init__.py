"""Where spans go: a console, lines of JSON, a trace for Perfetto."""
