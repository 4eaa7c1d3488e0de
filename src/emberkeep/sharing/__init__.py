"""Places that several hosts and users share."""
