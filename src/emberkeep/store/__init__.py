"""Where artifacts lie: manifests that pin blobs, in a folder or another place.

A hit reads and does nothing else: what writes, heals and collects is imported within functions.
"""
