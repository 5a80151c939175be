"""How far the collection has come: the ledger and the pages made from it."""
