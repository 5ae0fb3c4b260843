"""Reference and result judged: files that show both, and an audit of the result.

Refuses to know jobs, providers and prices; how a browser plays two clips in step is the business of ``show``.
"""
