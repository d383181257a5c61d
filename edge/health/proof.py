"""What the standing proof says of a source, in words for whoever looks at the box's status."""

from __future__ import annotations

from edge.messages import CanaryRecall, SourceHealth, SourceProof

_CAUSES = {"leak_budget_spent": "second looks objected", "recall_low": "canaries were missed"}


def with_proof(source: SourceHealth, proof: SourceProof | None) -> SourceHealth:
    """The source with what is proved of it; a latch is its state, unless it is blind or failed."""
    if proof is None:
        return source
    state = source.state
    if state not in {"blind", "failed"} and (proof.latched is not None or proof.unproven):
        state = "latched" if proof.latched is not None else "unproven"
    return source.model_copy(update={"state": state, "proof": proof})


def in_words(source: SourceHealth) -> dict[str, str]:
    """Rows of a status: the source's state, and what was proved in service."""
    rows = {f"source.{source.name}": what_to_do(source) or source.state}
    proof = source.proof
    if proof is not None:
        rows[f"canaries.{source.name}"] = f"faces {_share(proof.faces)}, texts {_share(proof.texts)}"
        rows[f"second_looks.{source.name}"] = (
            f"{proof.second_looks}, leak budget {proof.disagreements} of {proof.budget} spent"
        )
    return rows


def what_to_do(source: SourceHealth) -> str | None:
    """Why the standing proof has stopped the source, and what opens it again; None if it has not."""
    proof = source.proof
    if proof is not None and proof.latched is not None:
        return (
            f"{source.name} is latched ({_CAUSES[proof.latched]}): look why, then run "
            f"edge leak acknowledge {source.name} --by NAME"
        )
    if proof is not None and proof.unproven:
        return f"{source.name} is held back until a canary is covered again"
    return None


def _share(recall: CanaryRecall) -> str:
    if recall.bound is None:
        return "none yet"
    return f"{recall.covered} of {recall.planted} covered (95 %: at least {recall.bound:.2f})"
