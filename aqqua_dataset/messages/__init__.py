"""Messages to contributors and the digest's way to the data manager: what is new, said once, to one person each."""
