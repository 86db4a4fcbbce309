"""What is in some data, shown: the profile as figures, as text and as a page."""
