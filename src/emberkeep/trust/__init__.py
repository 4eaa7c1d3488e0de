"""Who vouches for an artifact: this user by a seal, somebody else by a signature.

`seals` tells what this user built; `signing` makes and checks signatures; `trusted` knows whose
count, for what and until when; `judging` puts them together for a place.
"""
