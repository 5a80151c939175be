"""The night: fetch what is due, validate what is new or changed and nothing else, tell the data manager and owners."""
