"""Who gave what, under which permission: people, institutions, contributions and their history."""
