"""The page: panels that are drawn from the session of a visitor. The rules are the ``Client``'s."""
