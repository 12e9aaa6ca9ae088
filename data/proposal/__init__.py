"""What a new dataset's entry would be, from looking at the data."""

from data.proposal.entry import Proposal, proposed

__all__ = ["Proposal", "proposed"]
