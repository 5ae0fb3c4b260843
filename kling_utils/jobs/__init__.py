"""The use case: what happens to a request, in which order, and how it survives."""
