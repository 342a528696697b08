"""The same work with sentence-transformers and FAISS: one thread, exact inner products over the very same vectors.

The first line of the input says `{"model": folder, "vectors": file of f32, "dimensions": n}`; each further one
`{"questions": [text], "tools": n}` (0: only vectors) and is answered with the milliseconds of each question.
"""

import json
import sys
import time

import faiss
import numpy
import torch
from sentence_transformers import SentenceTransformer, models

begin = json.loads(sys.stdin.readline())
torch.set_num_threads(1)
faiss.omp_set_num_threads(1)
transformer = models.Transformer(begin["model"], max_seq_length=256)
pooling = models.Pooling(transformer.get_embedding_dimension(), "mean")
model = SentenceTransformer(modules=[transformer, pooling, models.Normalize()], device="cpu")
vectors = numpy.fromfile(begin["vectors"], dtype=numpy.float32).reshape(-1, begin["dimensions"])
indexes: dict[int, faiss.IndexFlatIP] = {}
model.encode("warm")
print("ready", flush=True)
for line in sys.stdin:
    asked = json.loads(line)
    count, times = asked["tools"], []
    if count and count not in indexes:
        indexes[count] = faiss.IndexFlatIP(begin["dimensions"])
        indexes[count].add(vectors[:count])
    for question in asked["questions"]:
        start = time.perf_counter()
        vector = model.encode(question, show_progress_bar=False)
        if count:
            indexes[count].search(vector.reshape(1, -1), 10)
        times.append(1000 * (time.perf_counter() - start))
    print(json.dumps(times), flush=True)
