"""What is done to the data: read, contract, features, train, score."""
