"""Values as HTML and text, for notebook, app and offline page."""
