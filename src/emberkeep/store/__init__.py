"""Where artifacts lie: layers with one protocol, manifests, statistics, housekeeping."""
