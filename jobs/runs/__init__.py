"""What is known of a run: its folder, state, events and result."""
