"""The app's panels, one a file: what is seen and how it is wired. Holds no rule: those are asked of the ``Client``."""
