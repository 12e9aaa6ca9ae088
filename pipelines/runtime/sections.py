"""The sections of params.yaml above the data, declared in Pydantic: `serve` and `profiles`."""

from typing import Any, Literal

from pydantic import Field

from data.entries import Count, Section

Task = Literal["image", "sentiment", "forecast"]
# architecture or `all` → dataset or `all` → parameters
Parameters = dict[str, dict[str, dict[str, Any]]]


class Serve(Section):
    """Which dataset's champion each endpoint serves."""

    image: str
    sentiment: str
    forecast: str


class FirstLook(Section):
    """The screening fits of a profile, and how many architectures get a full fit after them."""

    share: float = Field(gt=0, le=1)
    epochs: Count
    keep: Count


class Profile(Section):
    """The parameters that a profile sets, and its first looks."""

    first_look: dict[Task, FirstLook] = Field({})
    image: Parameters = Field({})
    sentiment: Parameters = Field({})
    forecast: Parameters = Field({})
