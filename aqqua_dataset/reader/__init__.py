"""Releases for those who use them: open one, choose images by their metadata, stream them. Builds nothing."""
