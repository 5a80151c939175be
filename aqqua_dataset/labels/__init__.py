"""What labels mean: a grammar for the label's words, a dated taxonomy for its names, and the queue of what is left.

Everything here works on distinct labels, of which there are thousands, and never on images. A label is taken apart
without any taxonomy (``grammar``); only what is left as a name is looked up, exactly (``match``, ``taxonomy``).
"""
