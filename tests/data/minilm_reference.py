#!/usr/bin/env python3
"""Write minilm_reference.json: 100 texts with the vectors that all-MiniLM-L6-v2 gives them.

An implementation of its own, so that the test compares two: the word pieces are those of transformers' tokenizer in
Python, the arithmetic is numpy with 64 bits, written after the paper. Needs numpy, safetensors and transformers (4).
Usage: minilm_reference.py MODEL_FOLDER, with tokenizer.json, config.json and model.safetensors in it.
"""
import base64, json, math, pathlib, sys, tempfile

import numpy as np
from safetensors.numpy import load_file
from transformers import BertTokenizer

folder = pathlib.Path(sys.argv[1])
config = json.loads((folder / "config.json").read_text())
W = {name: tensor.astype(np.float64) for name, tensor in load_file(folder / "model.safetensors").items()}
pieces = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]
with tempfile.NamedTemporaryFile("w", suffix=".txt") as words:
    words.write("\n".join(sorted(pieces, key=pieces.get)))
    words.flush()
    tokenizer = BertTokenizer(words.name, do_lower_case=True)
heads, eps = config["num_attention_heads"], config["layer_norm_eps"]
erf = np.vectorize(math.erf)


def dense(x, name):
    return x @ W[name + ".weight"].T + W[name + ".bias"]


def norm(x, name):
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + eps) * W[name + ".weight"] + W[name + ".bias"]


def attend(x, at):
    part = lambda name: dense(x, f"{at}.self.{name}").reshape(len(x), heads, -1).transpose(1, 0, 2)
    q, k, v = part("query"), part("key"), part("value")
    scores = q @ k.transpose(0, 2, 1) / math.sqrt(q.shape[-1])
    scores = np.exp(scores - scores.max(-1, keepdims=True))
    scores /= scores.sum(-1, keepdims=True)
    return (scores @ v).transpose(1, 0, 2).reshape(len(x), -1)


def vector(text):
    ids = tokenizer.encode(text, truncation=True, max_length=256)
    x = W["embeddings.word_embeddings.weight"][ids] + W["embeddings.token_type_embeddings.weight"][0]
    x = norm(x + W["embeddings.position_embeddings.weight"][: len(ids)], "embeddings.LayerNorm")
    for n in range(config["num_hidden_layers"]):
        at = f"encoder.layer.{n}"
        x = norm(x + dense(attend(x, f"{at}.attention"), f"{at}.attention.output.dense"), f"{at}.attention.output.LayerNorm")
        inner = dense(x, f"{at}.intermediate.dense")
        inner = inner * 0.5 * (1 + erf(inner / math.sqrt(2)))
        x = norm(x + dense(inner, f"{at}.output.dense"), f"{at}.output.LayerNorm")
    mean = x.mean(0)
    return mean / np.linalg.norm(mean)


verbs = "get list create delete update search send convert translate schedule cancel summarize".split()
things = ["weather forecast", "calendar event", "GitHub issue", "stock price", "user account", "SQL query",
          "e-mail message", "currency rate", "Kubernetes pod", "PDF document"]
whole = "time in a time zone, given as an IANA name such as Europe/Berlin; the answer is ISO 8601 with the offset. "
texts = [f"{verb} {things[n % 10]}" for n, verb in enumerate(verbs)]
texts += [f"{verb}_{thing.replace(' ', '_').lower()}" for verb, thing in zip(verbs, things)]
texts += [f"What is the best tool to {verb} a {thing} for my team?" for verb, thing in zip(verbs[2:] + verbs, things)]
texts += [f"{thing}: {verbs[n]} one {thing}. Parameters: id, name, page size, {verbs[-n]} limit" for n, thing in enumerate(things)]
texts += [whole * n for n in range(1, 16)]
texts += [f"{thing} " * (7 * n + 3) for n, thing in enumerate(things)]
texts += ["", " ", ".", "a", "the", "MiniLM", "getStockPriceByTickerSymbol", "x" * 300, "12345", "3.14159 + 2.71828 = ?",
          "https://example.com/path?query=1#part", "ls -la | grep foo > /dev/null", '{"key": "value", "list": [1, 2, 3]}',
          "SELECT * FROM users WHERE id = 7;", "naïve café résumé, coöperate", "Straße und Größe", "天気予報を取得する", "获取当前时间",
          "получить прогноз погоды", "الطقس اليوم", "תחזית מזג האוויר", "🌧 rain ☂ today", "tab\tand\nline\r\nends", "nul\u0000 in it",
          "zero\u200bwidth", "UPPER lower MiXeD", "don't can't won't", "--- === ***", "e\u0301 is é", "ﬁ ligature", "½ ² ™ ©", "[CLS] [SEP] [MASK]"]
for n in range(100 - len(texts)):
    texts.append(f"Find the {things[n % 10]} of last {['week', 'month', 'year'][n % 3]} and {verbs[n % 12]} it.")
texts = texts[:100]
vectors = np.stack([vector(text) for text in texts])
fixed = np.round(vectors * 32767).astype("<i2").tobytes()
out = {"texts": texts, "vectors": base64.b64encode(fixed).decode()}
pathlib.Path(__file__).with_suffix(".json").write_text(json.dumps(out, ensure_ascii=False, indent=0) + "\n")
