"""The use case: what happens to a request, in which order, and how it survives. Refuses to know pages, notebooks and command lines."""
