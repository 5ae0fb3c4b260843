"""Drawing people by code: what ``draw_examples.py`` draws with. Not part of the package that is installed."""
