"""EcoTaxa as a source of deliveries: pulls of projects that were shared, and tools for those who share them."""
