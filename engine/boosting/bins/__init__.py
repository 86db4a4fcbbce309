"""The bins that all ranks share, and rows turned into them."""
