"""How a run is driven: by any process that has the run folder, here, apart or on the cluster."""
