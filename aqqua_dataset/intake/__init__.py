"""What people hand in (forms, spreadsheets, lists of projects) as proposals for the registry."""
