"""Values as HTML and text, for notebook, app and offline page. Refuses to know gradio, the store and the network."""
