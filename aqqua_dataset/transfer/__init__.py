"""What contributors delivered, wherever it lies: listed, opened and read lazily, never changed."""
