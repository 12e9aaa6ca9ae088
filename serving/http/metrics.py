"""Our own series on the /metrics page, beside those that BentoML keeps."""

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prometheus_client import Counter

SERIES = {
    "espalier_request_log_rows": "Records of the request log that were written.",
    "espalier_request_log_dropped": "Records of the request log that were lost: it was full or "
    "could not be written.",
    "espalier_model_swaps": "Models that were put in their place, a task's first one included.",
    "espalier_model_refusals": "Published models that were refused.",
}


@cache
def counter(name: str, *labels: str) -> "Counter":
    """The counter of this name; `_total` is added to it on the page."""
    # Not at the top: when it is imported it looks for the folder that the workers of a service
    # share, which BentoML has named only once the service is loaded.
    from prometheus_client import Counter

    return Counter(name, SERIES[name], labels)
