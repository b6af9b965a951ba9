"""InfoNCE for queries with one or more relevant passages in the batch."""

from __future__ import annotations

import torch
from torch import Tensor

from evenrank.training.losses.base import Scores


def group_info_nce(scores: Scores, *, other_positives: bool = True) -> Tensor:
    """Return the loss of each query, ``(Q,)``.

    With ``P_i`` the passages that are relevant to query ``i``::

        L_i = -1 / |P_i|  sum over p in P_i of  log( exp(s_ip) / sum over j of exp(s_ij) )

    (Khosla et al. 2020, arXiv 2004.11362, equation 2). With one relevant passage it is InfoNCE.

    Args:
        scores: The scores of the queries.
        other_positives: ``j`` is any passage that is compared. If ``False``, ``j`` is ``p`` or one
            that is not relevant, so that the relevant passages do not compete with each other.
    """
    positives = scores.relevant.sum(dim=1)
    compared = scores.model
    if scores.compared is not None:
        compared = compared.masked_fill(~scores.compared, -torch.inf)
    if other_positives:
        own = (scores.model * scores.relevant).sum(dim=1) / positives
        return torch.logsumexp(compared, dim=1) - own
    negatives = compared.masked_fill(scores.relevant, -torch.inf)
    total = torch.logsumexp(negatives, dim=1, keepdim=True)
    each = torch.logaddexp(scores.model, total) - scores.model
    return (each * scores.relevant).sum(dim=1) / positives
