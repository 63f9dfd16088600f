#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes torchscript/*.ts and torchscript/golden.json: modules as Python exports them, and
their logits for some sequences, for torch_script_model_test.cpp.

    /usr/bin/python3 tests/golden/make_torchscript.py      # PyTorch 1.13 (Debian's python3-torch)
"""

import json
import pathlib

import torch

FOLDER = pathlib.Path(__file__).parent / "torchscript"
VOCABULARY = 7
START = 6


class Recurrent(torch.nn.Module):
    """int64 [B, T] -> [B, T, V]: the usual language model."""

    def __init__(self):
        super().__init__()
        self.embedding = torch.nn.Embedding(VOCABULARY, 8)
        self.gru = torch.nn.GRU(8, 8, batch_first=True)
        self.dropout = torch.nn.Dropout(0.5)  # off in evaluation
        self.output = torch.nn.Linear(8, VOCABULARY)

    def forward(self, tokens):
        return self.output(self.dropout(self.gru(self.embedding(tokens))[0]))


class LastOnly(torch.nn.Module):
    """int64 [B, T] -> [B, V], in double: logits of what follows the last token alone."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, tokens):
        return self.model(tokens)[:, -1].double()


class Flat(torch.nn.Module):
    """A wrong shape: [B, T * V]."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, tokens):
        return self.model(tokens).flatten(0)


class Pair(torch.nn.Module):
    """Not a tensor."""

    def forward(self, tokens):
        return tokens, tokens


class Fussy(torch.nn.Module):
    """Fails on sequences of three."""

    def forward(self, tokens):
        if tokens.size(1) >= 3:
            raise ValueError("sequences of three are not for me")
        return torch.zeros(tokens.size(0), 4)


def main():
    FOLDER.mkdir(exist_ok=True)
    torch.manual_seed(20261122)
    model = Recurrent()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3)
    model.train()  # as it is left after training: the reader must switch to evaluation
    scripted = torch.jit.script(model)
    scripted.save(FOLDER / "recurrent.ts")
    model.eval()
    torch.jit.trace(LastOnly(model), torch.zeros(2, 3, dtype=torch.long)).save(
        FOLDER / "last_only.ts")
    torch.jit.trace(Flat(model), torch.zeros(2, 3, dtype=torch.long)).save(FOLDER / "flat.ts")
    torch.jit.script(Pair()).save(FOLDER / "pair.ts")
    torch.jit.script(Fussy()).save(FOLDER / "fussy.ts")

    cases = []
    for sequence in [[], [0], [5, 1, 1], [2, 3, 4, 5, 0]]:
        tokens = torch.tensor([[START] + sequence])
        with torch.no_grad():
            log_probs = model(tokens)[0, -1].double().log_softmax(-1)
        cases.append({"prefix": sequence, "log_probs": log_probs.tolist()})
    golden = {"torch": torch.__version__, "vocabulary": VOCABULARY, "start": START, "cases": cases}
    (FOLDER / "golden.json").write_text(json.dumps(golden, indent=1) + "\n")


if __name__ == "__main__":
    main()
