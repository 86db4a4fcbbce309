"""TLS of a cluster: who may connect to its scheduler and its workers, and nobody else."""
