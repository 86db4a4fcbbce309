"""What the command line prints: text for a terminal, made of plain values."""
