"""One read of each image: decode and verify it, fingerprint it, store it in a shard; and read it back."""
