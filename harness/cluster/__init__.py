"""A run's cases on a Dask cluster (``distributed``, the extra ``cluster``): ``connect``.

The client keeps the order of cases and the records; Dask starts one case per free thread of a
worker, keeps to the memory the worker has declared, and tells when a worker is lost.
"""

from harness.cluster.calls import ClusterLost as ClusterLost
from harness.cluster.connection import connect as connect
