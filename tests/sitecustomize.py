"""Read by Python at its start, with `tests` on PYTHONPATH: processes that tests start stay offline too."""

from offline import forbid_network

forbid_network()
