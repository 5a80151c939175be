"""The same picture once, and every owner credited."""
