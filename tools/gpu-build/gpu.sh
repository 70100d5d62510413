#!/usr/bin/env bash
# On a machine with a GPU, and a server that PGHOST and the like name: random rows
# in clusters, 1 M x 768 and 10 M x 96; seconds of hnsw and ivfrabitq from what the
# GPU computes, beside those of builds without. Prints a table for bench/RESULTS.md.
#
#   tools/gpu-build/gpu.sh [ROWSxDIMS ...]        e.g. 100000x384
#
# It needs vector-gpu-build[torch], and room for the rows three times.

set -euo pipefail
[ $# -gt 0 ] || set -- 1000000x768 10000000x96
python=${PYTHON:-python3}
memory=${MAINTENANCE_WORK_MEM:-16GB}
workers=${WORKERS:-$(($(nproc) - 1))}

"$python" -c 'import torch; print("device:", torch.cuda.get_device_name() if torch.cuda.is_available() else "none, on the CPU")'
for size; do
	rows=${size%x*} dims=${size#*x}
	"$python" - "$rows" "$dims" <<-'PYTHON'
		import struct, sys
		import numpy as np, psycopg
		rows, dims = map(int, sys.argv[1:])
		rng = np.random.default_rng(1)
		centres = rng.standard_normal((max(rows // 1000, 1), dims), dtype=np.float32)
		with psycopg.connect(autocommit=True) as conn:
		    conn.execute("CREATE EXTENSION IF NOT EXISTS vector")
		    conn.execute("DROP TABLE IF EXISTS gpu_items CASCADE")
		    conn.execute(f"CREATE TABLE gpu_items (id bigint PRIMARY KEY, embedding vector({dims}))")
		    with conn.cursor() as cur, cur.copy("COPY gpu_items FROM STDIN (FORMAT BINARY)") as copy:
		        copy.write(b"PGCOPY\n\xff\r\n\0" + struct.pack("!ii", 0, 0))
		        kind = np.dtype([("n", ">i2"), ("a", ">i4"), ("id", ">i8"), ("b", ">i4"), ("d", ">i2"), ("z", ">i2"), ("v", ">f4", dims)])
		        for first in range(0, rows, 10000):
		            part = np.zeros(min(10000, rows - first), kind)
		            part["n"], part["a"], part["b"], part["d"] = 2, 8, 4 + 4 * dims, dims
		            part["id"] = np.arange(first, first + len(part))
		            part["v"] = centres[rng.integers(0, len(centres), len(part))] + rng.standard_normal((len(part), dims), dtype=np.float32)
		            copy.write(part.tobytes())
		        copy.write(struct.pack("!h", -1))
		    conn.execute("VACUUM ANALYZE gpu_items")
	PYTHON
	for method in hnsw ivfrabitq; do
		echo "== $size, $method, from the GPU"
		"$python" -m vector_gpu_build.cli -t gpu_items -c embedding --method "$method" --no-concurrently \
			--maintenance-work-mem "$memory" --workers "$workers" --name gpu_index
		echo "== $size, $method, by PostgreSQL alone"
		psql -Xq -c "DROP INDEX gpu_index" -c "SET maintenance_work_mem = '$memory'" \
			-c "SET max_parallel_maintenance_workers = $workers" -c '\timing on' \
			-c "CREATE INDEX gpu_index ON gpu_items USING $method (embedding vector_l2_ops)" \
			-c '\timing off' -c "DROP INDEX gpu_index" -c "DROP TABLE IF EXISTS gpu_items_embedding_centroids"
	done
	psql -Xqc "DROP TABLE gpu_items CASCADE"
done
