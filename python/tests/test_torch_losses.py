# SPDX-License-Identifier: Apache-2.0
"""Losses, against torch's own formulas on the same noise."""

import copy
import pickle
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")
pytest.importorskip("partita._learn")

import partita.torch as pt  # noqa: E402

F = torch.nn.functional
V, D, B, K = 11, 4, 6, 5


@pytest.fixture
def batch() -> dict[str, Any]:
    generator = torch.Generator().manual_seed(1)

    def normal(*shape: int) -> Any:
        return torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_()

    return {"hidden": normal(B, D), "targets": torch.tensor([0, 3, 3, 10, 7, 1]), "weight": normal(V, D), "bias": normal(V)}


NOISE = pt.NoiseDistribution.unigram([5, 1, 7, 3, 1, 1, 2, 9, 4, 6, 8])


def scores(batch: dict[str, Any], words: Any) -> Any:
    return (batch["weight"][words] * batch["hidden"][:, None]).sum(-1) + batch["bias"][words]


def gradients(loss: Any, batch: dict[str, Any]) -> list[Any]:
    for each in ("hidden", "weight", "bias"):
        batch[each].grad = None
    loss.backward()
    return [batch[each].grad.to_dense() if batch[each].grad.is_sparse else batch[each].grad.clone()
            for each in ("hidden", "weight", "bias")]


def by_hand(name: str, batch: dict[str, Any], words: Any) -> Any:
    """The losses [B] as their papers write them."""
    target, noise = scores(batch, batch["targets"][:, None])[:, 0], scores(batch, words)
    if name != "NegativeSamplingLoss":
        target = target - (K * NOISE.log_prob(batch["targets"]).exp()).log()
        noise = noise - (K * NOISE.log_prob(words).exp()).log()
    if name == "SampledSoftmaxLoss":
        noise = noise.masked_fill(words == batch["targets"][:, None], -float("inf"))
        return F.cross_entropy(torch.cat([target[:, None], noise], 1), torch.zeros(B, dtype=torch.long), reduction="none")
    return (F.binary_cross_entropy_with_logits(target, torch.ones_like(target), reduction="none")
            + F.binary_cross_entropy_with_logits(noise, torch.zeros_like(noise), reduction="none").sum(1))


@pytest.mark.parametrize("name", ["NCELoss", "NegativeSamplingLoss", "SampledSoftmaxLoss"])
def test_losses_and_gradients(name: str, batch: dict[str, Any]) -> None:
    module = getattr(pt, name)(NOISE, K)
    found = module(*batch.values(), seed=3, stream=2)
    words = NOISE.sample((B, K), seed=3, stream=2)  # what a loss draws
    expected = by_hand(name, batch, words).mean()
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=0)
    for ours, theirs in zip(gradients(found, batch), gradients(expected, batch), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)


def test_reductions_and_sparse_rows(batch: dict[str, Any]) -> None:
    rows = pt.NCELoss(NOISE, K, reduction="none")(*batch.values(), seed=1)
    assert rows.shape == (B,)
    torch.testing.assert_close(pt.NCELoss(NOISE, K, reduction="sum")(*batch.values(), seed=1), rows.sum())
    pt.NCELoss(NOISE, K)(*batch.values(), seed=1).backward()
    assert batch["weight"].grad.is_sparse


def test_a_learned_log_z(batch: dict[str, Any]) -> None:
    """One number, and one for each context, as a parameter of the module."""
    module = pt.NCELoss(NOISE, K, log_z=torch.nn.Parameter(torch.zeros((), dtype=torch.float64)))
    assert [name for name, _ in module.named_parameters()] == ["log_z"]
    module(*batch.values(), seed=1).backward()
    shifted = {**batch, "bias": batch["bias"].detach().requires_grad_()}
    plain = pt.NCELoss(NOISE, K)(*shifted.values(), seed=1)
    torch.testing.assert_close(-module.log_z.grad, gradients(plain, shifted)[2].sum())
    each = pt.NCELoss(NOISE, K, log_z=torch.nn.Parameter(torch.zeros(3, dtype=torch.float64)))
    each(*batch.values(), contexts=torch.tensor([0, 0, 2, 2, 2, 0]), seed=1).backward()
    grad = each.log_z.grad.to_dense()
    torch.testing.assert_close(grad.sum(), module.log_z.grad)
    assert grad[1] == 0
    other = pt.NCELoss(NOISE, K, log_z=torch.nn.Parameter(torch.ones(3, dtype=torch.float64)))
    other.load_state_dict(each.state_dict())
    assert torch.equal(other.log_z, each.log_z)
    with pytest.raises(ValueError, match="contexts: required"):
        each(*batch.values(), seed=1)


def test_modules_are_copied_and_pickled(batch: dict[str, Any]) -> None:
    module = pt.SampledSoftmaxLoss(NOISE, K)
    expected = module(*batch.values(), seed=1)
    for twin in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert torch.equal(twin(*batch.values(), seed=1), expected)
    assert repr(module).startswith("SampledSoftmaxLoss(11 outputs, noise=5, ")


def test_noise_distributions() -> None:
    """Frequencies of a million draws, by six standard errors."""
    weights = torch.tensor([0.0, 1.0, 3.0, 6.0], dtype=torch.float64)
    noise = pt.NoiseDistribution(weights)
    n = 1_000_000
    found = torch.bincount(noise.sample((n,), seed=1), minlength=4) / n
    p = weights / weights.sum()
    assert ((found - p).abs() <= 6 * (p * (1 - p) / n).sqrt()).all()
    torch.testing.assert_close(noise.log_prob([1, 2, 3]).exp(), p[1:])
    assert len(pt.NoiseDistribution.uniform(7)) == 7
    assert abs(float(pt.NoiseDistribution.log_uniform(7).log_prob([0]).exp()) - 1 / 3) < 1e-12
    with pytest.raises(ValueError, match="weights"):
        pt.NoiseDistribution([0.0, -1.0])
    with pytest.raises(ValueError, match="counts: expected integers of 0 or more, got -1"):
        pt.NoiseDistribution.unigram([1, -1])


@pytest.mark.parametrize("head_bias", [False, True])
def test_adaptive_softmax_is_that_of_torch(head_bias: bool) -> None:
    """Loss, gradients and log-probabilities, by its weights, which go both ways."""
    theirs = torch.nn.AdaptiveLogSoftmaxWithLoss(64, 40, [5, 12, 20], head_bias=head_bias).double()
    ours = pt.AdaptiveSoftmaxLoss(64, 40, [5, 12, 20], head_bias=head_bias).double()
    ours.load_state_dict(theirs.state_dict())
    theirs.load_state_dict(ours.state_dict())
    generator = torch.Generator().manual_seed(1)
    hidden = torch.randn(50, 64, dtype=torch.float64, generator=generator).requires_grad_()
    targets = torch.randint(40, (50,), generator=generator)
    expected = theirs(hidden, targets)
    expected.loss.backward()
    gradient = hidden.grad.clone()
    hidden.grad = None
    ours(hidden, targets).backward()
    torch.testing.assert_close(ours(hidden, targets), expected.loss)
    torch.testing.assert_close(hidden.grad, gradient)
    for (name, a), (_, b) in zip(ours.named_parameters(), theirs.named_parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, msg=name)
    torch.testing.assert_close(ours.log_prob(hidden), theirs.log_prob(hidden))
    ours.reduction = "none"
    torch.testing.assert_close(-ours(hidden, targets), expected.output)


def test_adaptive_softmax_alone() -> None:
    module = pt.AdaptiveSoftmaxLoss(8, 100, seed=1)
    assert module.cutoffs == [5, 20] and repr(module).startswith("AdaptiveSoftmaxLoss(\n  cutoffs=[5, 20], reduction='mean'")
    again = pt.AdaptiveSoftmaxLoss(8, 100, seed=1)
    for a, b in zip(module.parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b)
    twin = pickle.loads(pickle.dumps(module))
    hidden, targets = torch.ones(3, 8), torch.tensor([0, 10, 99])
    assert torch.equal(twin(hidden, targets), module(hidden, targets))
    torch.manual_seed(1)
    a, b = pt.AdaptiveSoftmaxLoss(8, 100), pt.AdaptiveSoftmaxLoss(8, 100)
    assert not torch.equal(a.head.weight, b.head.weight)
    with pytest.raises(ValueError, match="cutoffs: expected ascending numbers of 1..99, got 20, 5"):
        pt.AdaptiveSoftmaxLoss(8, 100, [20, 5])
    with pytest.raises(ValueError, match="targets"):
        module(hidden, targets + 1)


def test_hierarchical_softmax() -> None:
    module = pt.HierarchicalSoftmaxLoss(6, [40, 1, 7, 7, 20]).double()
    generator = torch.Generator().manual_seed(3)
    for parameter in module.parameters():
        parameter.data.normal_(generator=generator)
    hidden = torch.randn(9, 6, dtype=torch.float64, generator=generator).requires_grad_()
    targets = torch.arange(9) % 5
    log_p = module.log_prob(hidden)
    torch.testing.assert_close(log_p.exp().sum(-1), torch.ones(9, dtype=torch.float64))
    torch.testing.assert_close(module(hidden, targets), F.nll_loss(log_p, targets))
    (by_log_prob,) = torch.autograd.grad(F.nll_loss(log_p, targets), hidden)
    (by_loss,) = torch.autograd.grad(module(hidden, targets), hidden)
    torch.testing.assert_close(by_loss, by_log_prob)
    twin = pickle.loads(pickle.dumps(module))
    torch.testing.assert_close(twin(hidden, targets), module(hidden, targets))
    module(hidden, targets).backward()
    assert module.weight.grad.is_sparse and module.weight.grad.shape == (4, 6)
    assert repr(module).startswith("HierarchicalSoftmaxLoss(6, outputs=5")
    with pytest.raises(ValueError, match="counts: expected 2 or more"):
        pt.HierarchicalSoftmaxLoss(6, [3])
    with pytest.raises(ValueError, match="targets: row 1: expected 0..4, got 5"):
        module(hidden[:2], torch.tensor([0, 5]))


def test_confidence_loss() -> None:
    generator = torch.Generator().manual_seed(2)
    known, unknown = (torch.randn(n, 3, generator=generator, dtype=torch.float64).requires_grad_() for n in (5, 7))
    labels = torch.tensor([0, 2, 1, 1, 0])
    found = pt.ConfidenceLoss(0.5)(known, labels, unknown)
    found.backward()
    ours = known.grad.clone(), unknown.grad.clone()
    known.grad = unknown.grad = None
    kl = F.kl_div(unknown.log_softmax(-1), torch.full((7, 3), 1 / 3, dtype=torch.float64), reduction="batchmean")
    expected = F.cross_entropy(known, labels) + 0.5 * kl
    expected.backward()
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(ours, (known.grad, unknown.grad))
    torch.testing.assert_close(pt.kl_from_uniform(unknown), kl)
    assert pt.kl_from_uniform(unknown, reduction="none").shape == (7,)


def test_bad_arguments(batch: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="noise_distribution: expected a NoiseDistribution, got list"):
        pt.NCELoss([1, 2, 3])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="noise"):
        pt.NCELoss(NOISE, 0)(*batch.values(), seed=1)
    with pytest.raises(ValueError, match="targets"):
        pt.NCELoss(NOISE, K)(batch["hidden"], batch["targets"] + 1, batch["weight"], seed=1)
    with pytest.raises(TypeError, match="hidden: expected a torch.Tensor, got list"):
        pt.NCELoss(NOISE, K)([1.0], batch["targets"], batch["weight"], seed=1)
    with pytest.raises(ValueError, match="reduction: expected one of none, mean, sum, got 'max'"):
        pt.NCELoss(NOISE, K, reduction="max")(*batch.values(), seed=1)
    with pytest.raises(ValueError, match="beta"):
        pt.ConfidenceLoss(-1.0)(torch.zeros(1, 2), torch.tensor([0]), torch.zeros(1, 2))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_linear_cross_entropy(batch: dict[str, Any], smoothing: float, reduction: str) -> None:
    narrow = {name: each.detach().float().requires_grad_(each.is_floating_point()) for name, each in batch.items()
              if name != "targets"}
    targets = batch["targets"].clone()
    targets[2] = -100
    loss = pt.linear_cross_entropy(narrow["hidden"], targets, narrow["weight"], narrow["bias"],
                                   label_smoothing=smoothing, reduction=reduction)
    logits = F.linear(batch["hidden"], batch["weight"], batch["bias"])
    expected = F.cross_entropy(logits, targets, label_smoothing=smoothing, reduction=reduction)
    assert torch.allclose(loss.double(), expected, atol=1e-6)
    loss.sum().backward()
    for own, wide in zip(narrow.values(), gradients(expected.sum(), batch), strict=True):
        assert torch.allclose(own.grad.double(), wide, atol=1e-6)


def test_linear_gumbel_top_k(batch: dict[str, Any]) -> None:
    hidden, weight, bias = (batch[name].detach().float() for name in ("hidden", "weight", "bias"))
    drawn = pt.linear_gumbel_top_k(hidden, weight, 3, bias, seed=5)
    log_p = F.linear(hidden, weight, bias).log_softmax(-1).double()
    assert torch.allclose(drawn.log_prob, log_p.gather(-1, drawn.indices), atol=1e-6)
    assert (drawn.perturbed.diff() <= 0).all() and (drawn.threshold <= drawn.perturbed[:, -1]).all()
    again = pt.linear_gumbel_top_k(hidden, weight, 3, bias, seed=5)
    assert torch.equal(drawn.indices, again.indices)
    with pytest.raises(ValueError, match="weight: expected float, bfloat16 or half"):
        pt.linear_cross_entropy(batch["hidden"], batch["targets"], batch["weight"])


@pytest.mark.parametrize("name", ["sparsemax", "entmax15"])
def test_softmaxes_with_exact_zeros(name: str) -> None:
    generator = torch.Generator().manual_seed(3)
    logits = torch.randn(4, 6, generator=generator, dtype=torch.float64).requires_grad_()
    softmax, loss = getattr(pt, name), getattr(pt, f"{name}_loss")
    p = softmax(logits)
    assert (p == 0).any() and torch.allclose(p.sum(-1), torch.ones(4, dtype=torch.float64))
    assert torch.autograd.gradcheck(softmax, logits) and torch.autograd.gradgradcheck(softmax, logits)
    targets = torch.tensor([1, -100, 0, 5])
    assert torch.autograd.gradcheck(loss, (logits, targets)) and torch.autograd.gradgradcheck(loss, (logits, targets))
    each = loss(logits, targets, reduction="none")
    torch.testing.assert_close(loss(logits, targets), each.sum() / 3)
    with pytest.raises(ValueError, match="target: row 0: expected a class of 0..5, got 6"):
        loss(logits, torch.tensor([6, 0, 0, 0]))
    with pytest.raises(ValueError, match="logits: row 1"):
        softmax(torch.tensor([[0.0, 1.0], [float("nan"), 0.0]]))


def test_perturbed_top_k() -> None:
    """Of one it is the softmax; the loss has its prediction less the target as gradient."""
    logits = torch.tensor([0.5, -1.0, 0.0, 1.2], dtype=torch.float64)
    one = pt.perturbed_top_k(logits.expand(20_000, 4), 1, samples=2, epsilon=0.7, seed=1)
    assert ((one.mean(0) - (logits / 0.7).softmax(-1)).abs() < 6 * one.std(0) / 20_000**0.5).all()
    batch = logits.expand(3, 4).clone().requires_grad_()
    target = torch.tensor([1.0, 1.0, 0.0, 0.0], dtype=torch.float64).expand(3, 4)
    y = pt.perturbed_top_k(batch, 2, seed=4, stream=7)
    assert torch.equal(y, pt.perturbed_top_k(batch, 2, seed=4, stream=7))
    pt.perturbed_top_k_loss(batch, target, 2, seed=4, stream=7, reduction="sum").backward()
    torch.testing.assert_close(batch.grad, (y - target).detach())
    with pytest.raises(ValueError, match=r"k: expected 1..4 \(categories\), got 5"):
        pt.perturbed_top_k(logits, 5, seed=1)
    with pytest.raises(ValueError, match="target: row 1: expected a sum of 2, got 1"):
        pt.perturbed_top_k_loss(batch, target.index_put((torch.tensor(1), torch.tensor(0)), torch.tensor(0.0).double()),
                                2, seed=1)
