"""One thin module per stage; groups are the stages of the walk."""
