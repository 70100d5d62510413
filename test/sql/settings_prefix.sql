-- Settings that the library does not have, below its prefixes: refused once it is
-- loaded. PostgreSQL 14 only warns of those that were set before (settings_prefix_1.out).
\set VERBOSITY sqlstate
LOAD 'vector';
SET hnsw.nonsense = 1;
SET hnsw.probes = 1;
SET ivf.probes = 1;
SET ivfflat.rerank = 10;
SET ivfpq.nonsense = 1;
SET ivfrabitq.nonsense = 1;
SET sparse_inverted.nonsense = 1;
SET vector.nonsense = 1;
SELECT set_config('ivfflat.nonsense', '1', true);
RESET hnsw.nonsense;
SHOW hnsw.nonsense;
-- not a prefix of ours
SET halfvec.nonsense = 1;
