"""What a row of the request log holds: one row for each request that a model answered or refused.

Journals (`<ESPALIER_HOME>/requests/*.jsonl`) hold a JSON object a row, without what is null;
Parquet files beside them have every column. A name and its type stay as they are once they are
here: what watches the models reads them.
"""

COLUMNS = {
    "time": "time",  # UTC, when the answer was ready; in a journal microseconds since 1970
    "request_id": "string",  # a client may repeat its own
    "route": "string",  # /v1/image, …
    "task": "string",
    "model": "string",  # the registered model's name
    "version": "string",
    "fingerprint": "string",
    "status": "int32",  # of HTTP
    "error": "string",  # the code of the error; null where the status is 200
    "latency_ms": "double",  # from the request's head to its answer: the body's arrival is in it
    "inputs": "int32",  # how many things were asked about: 1 but for several texts or a batch
    # A picture; of several the first one's size.
    "width": "int32",
    "height": "int32",
    "bytes": "int64",  # of all pictures, as they were sent
    # Texts, all of a request together.
    "characters": "int64",
    "words": "int64",  # about: the spaces, and one for each text
    # A series: how many values were sent; the rest is of those that the model read, the last ones.
    # Of several series all their values count together, and the last value of the last one.
    "values": "int32",
    "mean": "double",
    "std": "double",
    "min": "double",
    "max": "double",
    "last": "double",
    # The answers, one for each input, up to 256.
    "label": "strings",
    "probability": "doubles",  # of the label
    "familiar": "truths",
    "familiarity": "doubles",
    "horizon": "int32",
    "level": "double",
    "forecast_mean": "double",
    "forecast_last": "double",
    "interval_width": "double",  # its mean over the horizon
    # Only with ESPALIER_LOG_INPUTS=1: what was sent, a JSON list of requests in the form of
    # golden.json; null where that would be over 64 KiB.
    "input": "string",
}
