#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A Python language model, exported as docs/generative.md says, behaves as in Python: partita
generate gives sequences with the log-probabilities that Python gives them.

    check_torchscript.py PARTITA      exit status 77: no torch here
"""

import json
import pathlib
import re
import subprocess
import sys
import tempfile

try:
    import torch
except ImportError:
    print("skipped: python3-torch is not installed")
    sys.exit(77)

VOCABULARY = [chr(ord("a") + i) for i in range(20)] + ["<s>", "</s>"]
START, END = 20, 21
MAX_LENGTH = 12


class Model(torch.nn.Module):
    """Like Hugging Face's models: what it returns has the logits as a member."""

    class Output:
        def __init__(self, logits):
            self.logits = logits

    def __init__(self):
        super().__init__()
        self.embedding = torch.nn.Embedding(len(VOCABULARY), 16)
        layer = torch.nn.TransformerEncoderLayer(16, 2, 32, dropout=0.1, batch_first=True)
        self.layers = torch.nn.TransformerEncoder(layer, 2)
        self.output = torch.nn.Linear(16, len(VOCABULARY))

    def forward(self, tokens):
        n = tokens.size(1)
        future = torch.ones(n, n, dtype=torch.bool).triu(1)
        x = self.embedding(tokens)
        return self.Output(2 * self.output(self.layers(x, mask=future)))


# As in docs/generative.md.
class Logits(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, tokens):
        return self.model(tokens).logits


def log_prob(model, text):
    following = [VOCABULARY.index(t) for t in re.findall("<s>|.", text)]
    if len(following) < MAX_LENGTH:
        following.append(END)
    with torch.no_grad():
        log_p = model(torch.tensor([[START] + following[:-1]])).double().log_softmax(-1)[0]
    return sum(log_p[i, t].item() for i, t in enumerate(following))


def main():
    torch.manual_seed(7)
    if hasattr(torch.backends, "mha"):  # of torch 2: its fast path fails the check of tracing
        torch.backends.mha.set_fastpath_enabled(False)
    model = Logits(Model()).eval()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        torch.jit.trace(model, torch.zeros(2, 3, dtype=torch.long)).save(str(folder / "model.ts"))
        (folder / "tokens.txt").write_text("\n".join(VOCABULARY) + "\n")
        command = [
            sys.argv[1], "generate", "--model", folder / "model.ts", "--vocabulary",
            folder / "tokens.txt", "--start-token", "<s>", "--end-token", "</s>", "-k", "40",
            "--max-length", str(MAX_LENGTH), "--seed", "1", "--json"]
        printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    sequences = json.loads(printed)["sequences"]
    texts = [s["text"] for s in sequences]
    assert len(set(texts)) == 40, texts
    for s in sequences:
        expected = log_prob(model, s["text"])
        assert abs(s["log_prob"] - expected) < 1e-4, (s, expected)


if __name__ == "__main__":
    main()
