-- Rows and indexes whose files are kept for each released version, in
-- VERSION/INDEX.gz; every format version of that release is among them.
CREATE TABLE kept (id int PRIMARY KEY, kind int, tags text[], v vector(16), h halfvec(16), s sparsevec(1000), b bit(64)) WITH (autovacuum_enabled = off);
INSERT INTO kept
SELECT i, i % 7, ARRAY['a' || i % 3, 'b' || i % 5], x, x, format('{%s:%s,%s:2,1000:%s}/1000', 1 + i % 9, i / 8.0, 10 + i % 99, -i)::sparsevec, (i::bit(32) || (i * i)::bit(32))::bit(64)
FROM generate_series(1, 160) i,
	LATERAL (SELECT CASE WHEN i % 40 <> 9 THEN array_agg(sin(i * j * 0.7) + cos(i * j * j))::vector END AS x FROM generate_series(1, 16) j) y;
CREATE INDEX kept_hnsw ON kept USING hnsw (v vector_l2_ops) WITH (m = 8);
CREATE INDEX kept_hnsw_ip ON kept USING hnsw (v vector_ip_ops) WITH (m = 8, quantizer = rabitq4, rerank = heap);
CREATE INDEX kept_hnsw_filter ON kept USING hnsw (h halfvec_cosine_ops, kind, tags) WITH (m = 8, quantizer = rabitq2);
CREATE INDEX kept_hnsw_sparse ON kept USING hnsw (s sparsevec_l1_ops) WITH (m = 8);
CREATE INDEX kept_hnsw_bits ON kept USING hnsw (b bit_hamming_ops) WITH (m = 8);
CREATE INDEX kept_ivfflat ON kept USING ivfflat (v vector_l1_ops) WITH (lists = 4);
CREATE INDEX kept_ivfflat_filter ON kept USING ivfflat (h halfvec_l2_ops, kind, tags) WITH (lists = 4);
CREATE INDEX kept_ivfpq ON kept USING ivfpq (h halfvec_ip_ops) WITH (lists = 4, m = 4);
CREATE INDEX kept_ivfrabitq ON kept USING ivfrabitq (v vector_cosine_ops, kind) WITH (lists = 4, bits = 2, rerank = index);
INSERT INTO kept SELECT 1000 + id, kind, tags, v, h, s, b FROM kept WHERE id % 10 = 0;
