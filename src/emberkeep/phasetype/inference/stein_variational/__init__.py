"""Stein variational gradient descent: particles that are moved until they are as a posterior's."""
