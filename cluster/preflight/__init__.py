"""Whether a cluster is fit for a job, before the job begins.

One module per check: a function that runs on the workers, and a verdict that is made here of what
they answered. `examination` asks all of them at once; `shipping` brings millrace to workers that
lack it. What runs on a worker is sent by value, because the worker may have no millrace to import:
it may use Dask, what Dask brings (psutil) and the standard library, and it takes and returns plain
data only.
"""
