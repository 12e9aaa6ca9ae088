"""The schema of the request log: one record for each request that a model answered or refused.

A segment (`<ESPALIER_HOME>/requests/*.jsonl`) holds one JSON object a line, without the fields that
have no value. A field's name and type never change: monitoring reads them.
"""

from typing import TypedDict


class Answer(TypedDict, total=False):
    """What one model answered; the lists hold one value for each input, at most 256."""

    model: str  # the registered model's name
    version: str
    fingerprint: str
    status: int  # of HTTP
    error: str  # the error's code; absent where the status is 200
    label: list[str]
    probability: list[float]  # of the label
    familiar: list[bool]
    familiarity: list[float]
    horizon: int
    level: float
    forecast_mean: float
    forecast_last: float
    interval_width: float  # its mean over the horizon


class Record(Answer, total=False):
    """One request and its answer."""

    time: int  # when the answer was ready, in microseconds since 1970 (UTC)
    request_id: str  # a client may use one more than once
    route: str  # /v1/image, …
    task: str
    latency_ms: float  # from the request's head to its answer, the transfer of the body included
    inputs: int  # 1, except for several texts or a batch
    # Images; width and height are those of the first one.
    width: int
    height: int
    bytes: int  # of all images, encoded as they were sent
    # Texts, all of a request together.
    characters: int
    words: int  # approximate: the number of spaces, plus one for each text
    # Series: `values` is the number of values sent; the statistics are those of the values that the
    # model read. Several series are summarised together; `last` is the last series' last value.
    values: int
    mean: float
    std: float
    min: float
    max: float
    last: float
    # With ESPALIER_LOG_INPUTS=1: the inputs as a JSON list of requests in the form of golden.json;
    # null where they take more than 64 KiB.
    input: str | None
    signals: dict[str, float]  # any number that was measured of the request, by its name
    challenger: Answer  # of a second model that was given the same inputs
