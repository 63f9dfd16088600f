#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes sentencepiece/*.model, SentencePiece models as Python trains them, and golden.json with
their results for some texts: for sentence_pieces_test.cpp and lm_test.cpp.

    /usr/bin/python3 tests/golden/make_sentencepiece.py      # Debian's python3-sentencepiece
"""

import io
import json
import pathlib

import sentencepiece

FOLDER = pathlib.Path(__file__).parent / "sentencepiece"
WORDS = ["whale", "whales", "swimming", "swims", "harbour", "déjà"]
LINES = [f"{a} {b} {c}" for a in WORDS for b in WORDS for c in WORDS]
TEXTS = ["whales swims harbour", "  two  whales", "déjà", "", "q"]


def train(name, lines, **options):
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines), model_writer=model, minloglevel=2,
        normalization_rule_name="identity", **options)
    (FOLDER / name).write_bytes(model.getvalue())
    return sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())


def main():
    FOLDER.mkdir(exist_ok=True)
    golden = {"sentencepiece": sentencepiece.__version__}
    for kind in ["unigram", "bpe"]:
        pieces = train(f"{kind}.model", LINES, model_type=kind, vocab_size=28)
        golden[kind] = [{"text": text, "tokens": pieces.encode(text),
                         "decoded": pieces.decode(pieces.encode(text))} for text in TEXTS]
    # As many pieces as make_torchscript.py's modules have tokens: <unk> <s> </s> and four more.
    train("seven.model", ["abab", "baab", "cab"], model_type="char", vocab_size=7)
    (FOLDER / "golden.json").write_text(json.dumps(golden, indent=1) + "\n")


if __name__ == "__main__":
    main()
