"""What a query is written in: conditions, paths, kinds of values, groups."""
