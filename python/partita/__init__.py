# SPDX-License-Identifier: Apache-2.0
"""Partita: everything that is done with a softmax.

>>> import numpy as np, partita
>>> logits = np.random.default_rng(1).normal(size=(64, 50257)).astype(np.float32)
>>> drawn = partita.gumbel_top_k(logits, 10, seed=1)     # ten different categories from each row
>>> drawn.indices.shape
(64, 10)

Arrays may be numpy's, torch's or anyone's with DLPack or the buffer protocol, of any strides and
with leading dimensions; none is copied. torch in, torch out; else numpy. What draws needs a seed,
and is a pure function of it. ValueError says what is wrong with an argument, OSError with a file.
"""

from typing import TYPE_CHECKING, Any

from partita._core import AdaptiveState, MirostatState, NGram
from partita._gumbel import TopKSample, categorical, gumbel_max, gumbel_top_k
from partita._importance_weights import Estimate, estimate, importance_weights
from partita._minimum_bayes_risk import MinimumBayesRisk, minimum_bayes_risk
from partita._noise import (
    ConstrainedParticles,
    ConstrainedSample,
    SpeculativeSample,
    Watermark,
    WatermarkEvidence,
    constrained_particles,
    constrained_sample,
    counterfactual_sample,
    detect_watermark,
    judge_drafts,
    speculative_sample,
    watermarked_sample,
)
from partita._sampler import (
    DEFAULT_ORDER,
    LLAMA_CPP_ORDER,
    Draws,
    SamplerSettings,
    replay_log_prob,
    sample,
    sample_with_report,
    sample_without_replacement,
)
from partita._search import (
    ConditionalPoissonBeam,
    Hypothesis,
    PerturbedHypothesis,
    SequenceScores,
    StochasticBeam,
    UniqueSampler,
    ancestral_sample,
    arithmetic_sample,
    beam_search,
    conditional_poisson_beam_search,
    score_sequences,
    stochastic_beam_search,
)
from partita._sequence_models import CallableModel, DecodingState, SequenceModel
from partita._softmax import entropy, kl_divergence, log_softmax, log_sum_exp, softmax

if TYPE_CHECKING:
    from partita._torch_language import LanguageModel as LanguageModel
    from partita._torch_language import TorchScriptModel as TorchScriptModel

    from partita import calibration as calibration
    from partita import detection as detection
    from partita import embedding as embedding
    from partita import hf as hf
    from partita import split as split
    from partita import torch as torch
else:

    def __getattr__(name: str) -> Any:
        """Imports partita.calibration and the like when they are first used."""
        from importlib import import_module

        if name in _SUBMODULES:
            return import_module(f"partita.{name}")
        if name in _OF_TORCH:
            return getattr(import_module("partita._torch_language"), name)
        raise AttributeError(f"module 'partita' has no attribute {name!r}")

    def __dir__() -> list[str]:
        return sorted({*globals(), *_SUBMODULES, *_OF_TORCH})


_SUBMODULES = ("calibration", "detection", "embedding", "hf", "split", "torch")
_OF_TORCH = ("LanguageModel", "TorchScriptModel")

__version__ = "0.1.0"

__all__ = [
    "DEFAULT_ORDER",
    "LLAMA_CPP_ORDER",
    "AdaptiveState",
    "CallableModel",
    "ConstrainedParticles",
    "ConstrainedSample",
    "ConditionalPoissonBeam",
    "DecodingState",
    "Draws",
    "Estimate",
    "Hypothesis",
    "MinimumBayesRisk",
    "MirostatState",
    "NGram",
    "PerturbedHypothesis",
    "SamplerSettings",
    "SequenceModel",
    "SequenceScores",
    "SpeculativeSample",
    "StochasticBeam",
    "TopKSample",
    "UniqueSampler",
    "Watermark",
    "WatermarkEvidence",
    "ancestral_sample",
    "arithmetic_sample",
    "beam_search",
    "categorical",
    "conditional_poisson_beam_search",
    "constrained_particles",
    "constrained_sample",
    "counterfactual_sample",
    "detect_watermark",
    "entropy",
    "estimate",
    "gumbel_max",
    "gumbel_top_k",
    "importance_weights",
    "judge_drafts",
    "kl_divergence",
    "log_softmax",
    "log_sum_exp",
    "minimum_bayes_risk",
    "replay_log_prob",
    "sample",
    "sample_with_report",
    "sample_without_replacement",
    "score_sequences",
    "softmax",
    "speculative_sample",
    "stochastic_beam_search",
    "watermarked_sample",
]

for _each in [globals()[_name] for _name in __all__]:
    if hasattr(_each, "__module__"):
        _each.__module__ = "partita"  # where users find it, in messages and pickles
