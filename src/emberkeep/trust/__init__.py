"""Who vouches for an artifact: this user by a seal, somebody else by a signature.

`seals` tells what this user built; `signatures` makes and checks signatures; `trust_list` knows
whose count, for what and until when. `judge` puts them together, and `others` does for a place that
others write too.

A hit on what was fetched needs no cryptography: `signatures`, and what writes manifests, are
imported within functions where that is so.
"""
