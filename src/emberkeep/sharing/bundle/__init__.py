"""Bundles: a library of kept artifacts as one signed file, with an index in front.

::

    emberkeep bundle 1
    <stored size of the index> <its raw size> <SHA-256 of the raw index>
    <public key of the signer> <Ed25519 signature>
    the index                   one zstd frame of canonical JSON
    for each member             its stored size (8 bytes, big-endian), and one zstd frame
    the end

The three lines have a fixed length. The signature is over the first line, the raw size and the
digest of the index; the index has the digest and size of every member. So everything is vouched
for, and nothing is decompressed or parsed before somebody who is trusted has vouched for it.

Members follow in the order in which the sorted entries name them: a document, its blobs, the next
document. Whoever reads from a pipe can keep each artifact as soon as its last member is there.

There are no times and no paths: the same content, compressed by the same zstd at the same level,
gives the same bytes.

This is the format and no more: `index` says what is in a bundle, `frames` how bytes stand in the
file, `writer` and `reader` go through it, a few members at a time, by `window`. Nothing here
knows of stores, of key files or of whom a user trusts.
"""
