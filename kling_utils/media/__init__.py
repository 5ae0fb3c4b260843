"""Files of pictures and clips: opening, measuring, writing and fetching them, with bounds."""
