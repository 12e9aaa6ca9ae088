"""The sections of params.yaml above the data, declared in Pydantic: `serve` and `profiles`."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Task = Literal["image", "sentiment", "forecast"]
# architecture or `all` → dataset or `all` → parameters
Parameters = dict[str, dict[str, dict[str, Any]]]
Count = Annotated[int, Field(ge=1)]


class Serve(BaseModel):
    """Which dataset's champion each endpoint serves."""

    model_config = ConfigDict(extra="forbid", strict=True)
    image: str
    sentiment: str
    forecast: str


class FirstLook(BaseModel):
    """The screening fits of a profile, and how many architectures get a full fit after them."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
    share: float = Field(gt=0, le=1)
    epochs: Count
    keep: Count


class Profile(BaseModel):
    """The parameters that a profile sets, and its first looks."""

    model_config = ConfigDict(extra="forbid", strict=True)
    first_look: dict[Task, FirstLook] = {}
    image: Parameters = {}
    sentiment: Parameters = {}
    forecast: Parameters = {}
