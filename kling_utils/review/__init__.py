"""Reference and result judged: files that show both, and an audit of the result."""
