"""What a cluster in Kubernetes consists of, and how its API is asked for it."""
