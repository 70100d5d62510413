-- Upkeep of lists: rows of 16 dimensions in 40 clusters give way to rows in 40 others
SET client_min_messages = warning;
SET ivf.seed = 1;
-- VACUUM does none of it, until it is asked to
SET ivf.vacuum_budget = 0;
CREATE FUNCTION place(cluster int, world int) RETURNS vector LANGUAGE sql IMMUTABLE AS
	$$ SELECT array_agg((8 * sin(world * 1000 + cluster * 37.1 + i * (cluster % 7 + 1.3)))::real ORDER BY i)::vector FROM generate_series(1, 16) i $$;
CREATE FUNCTION noise(id int) RETURNS vector LANGUAGE sql IMMUTABLE AS
	$$ SELECT array_agg(((hashint4(id * 16 + i) / 2147483648.0))::real ORDER BY i)::vector FROM generate_series(1, 16) i $$;
CREATE TABLE places AS SELECT world, cluster, place(cluster, world) AS v FROM generate_series(0, 1) world, generate_series(0, 39) cluster;
CREATE TABLE kept (id int PRIMARY KEY, tag int, v vector(16)) WITH (autovacuum_enabled = off);
INSERT INTO kept SELECT i, i % 10, p.v + noise(i) FROM generate_series(1, 4000) i JOIN places p ON p.world = 0 AND p.cluster = i % 40;
CREATE INDEX kept_flat ON kept USING ivfflat (v vector_l2_ops) WITH (lists = 80);
CREATE INDEX kept_pq ON kept USING ivfpq (v vector_l2_ops) WITH (lists = 80);
CREATE INDEX kept_rabitq ON kept USING ivfrabitq (v vector_l2_ops, tag) WITH (lists = 80);
CREATE INDEX kept_inside ON kept USING ivfrabitq (v vector_cosine_ops) WITH (lists = 80, rerank = index);
CREATE INDEX kept_expression ON kept USING ivfrabitq ((v::halfvec(16)) halfvec_l2_ops) WITH (lists = 80);
CREATE VIEW kept_indexes AS SELECT i::text AS index FROM unnest('{kept_flat,kept_pq,kept_rabitq,kept_inside,kept_expression}'::regclass[]) i;

-- nothing to do
SELECT index, r.* FROM kept_indexes, ivf_rebalance(index) r;

-- all rows are others: lists are few and long
DELETE FROM kept;
INSERT INTO kept SELECT i, i % 10, p.v + noise(i) FROM generate_series(1, 4000) i JOIN places p ON p.world = 1 AND p.cluster = i % 40;
VACUUM kept;
SELECT index, imbalance > 2 AS uneven, error > 5 * built_error AS far FROM kept_indexes, ivf_drift(index);
SELECT index, r.* FROM kept_indexes, ivf_rebalance(index) r;
SELECT index, imbalance < 2 AS even, error < 1.1 * built_error AS near FROM kept_indexes, ivf_drift(index);
SELECT index, c.* FROM kept_indexes, vector_index_check(index, heapallindexed => true) c;
SELECT index, (SELECT recall >= .95 FROM vector_recall(index::regclass, k => 10, sample => 50)) FROM kept_indexes WHERE index <> 'kept_flat';

-- each row once, and by filters
SET enable_seqscan = off;
SET vector.enable_exact_scan = off;
SET ivfflat.iterative_scan = relaxed_order;
SET ivfrabitq.iterative_scan = relaxed_order;
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM kept ORDER BY v <-> (SELECT v FROM kept WHERE id = 1) LIMIT 10000) s;
SELECT count(*), count(DISTINCT id), min(tag), max(tag) FROM (SELECT id, tag FROM kept WHERE tag = 3 ORDER BY v <-> (SELECT v FROM kept WHERE id = 1) LIMIT 10000) s;
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM kept ORDER BY v <=> (SELECT v FROM kept WHERE id = 1) LIMIT 10000) s;
RESET enable_seqscan;
RESET vector.enable_exact_scan;
RESET ivfflat.iterative_scan;
RESET ivfrabitq.iterative_scan;

-- rows come and go in lists of the new generation; vacuum frees the pages of the old one
INSERT INTO kept SELECT i, i % 10, p.v + noise(i) FROM generate_series(4001, 4400) i JOIN places p ON p.world = 1 AND p.cluster = i % 40;
DELETE FROM kept WHERE id % 4 = 0;
VACUUM kept;
SELECT index, c.* FROM kept_indexes, vector_index_check(index, heapallindexed => true) c;
SELECT index, entries, replaced, waits FROM kept_indexes, ivf_rebalance(index);

-- a budget: the worst lists first, the others later
INSERT INTO kept SELECT 10000 + i, i % 10, p.v + noise(i) FROM generate_series(1, 4000) i JOIN places p ON p.world = 0 AND p.cluster = i % 40;
SELECT index, replaced BETWEEN 1 AND 79 AS some, moved <= 1500 AS within, left_over > 0 AS more FROM kept_indexes, ivf_rebalance(index, 1500);
SELECT index, replaced > 0 AS more, left_over FROM kept_indexes, ivf_rebalance(index, budget => 1000000);
SELECT index, imbalance < 2 AS even FROM kept_indexes, ivf_drift(index);
SELECT index, c.* FROM kept_indexes, vector_index_check(index, heapallindexed => true) c;

-- more lists where the number was not given
CREATE TABLE grows (id int, v vector(16)) WITH (autovacuum_enabled = off);
INSERT INTO grows SELECT i, p.v + noise(i) FROM generate_series(1, 400) i JOIN places p ON p.world = 1 AND p.cluster = i % 40;
CREATE INDEX grows_v ON grows USING ivfrabitq (v vector_l2_ops);
INSERT INTO grows SELECT i, p.v + noise(i) FROM generate_series(401, 6400) i JOIN places p ON p.world = 1 AND p.cluster = i % 40;
SELECT lists, entries FROM ivf_drift('grows_v');
SELECT lists, entries, moved FROM ivf_rebalance('grows_v');
SELECT lists, entries, imbalance < 2 AS even FROM ivf_drift('grows_v');
SELECT * FROM vector_index_check('grows_v', heapallindexed => true);

-- what no longer changes the lists does not let the index grow
CREATE TABLE moves (id int, k int, v vector(16)) WITH (autovacuum_enabled = off);
INSERT INTO moves SELECT i, i, noise(i) FROM generate_series(1, 1000) i;
CREATE INDEX moves_v ON moves USING ivfrabitq (v vector_l2_ops, k) WITH (lists = 100);
CREATE TABLE sizes (round int, pages bigint);
CREATE PROCEDURE move(round int) LANGUAGE plpgsql AS $$ BEGIN
	DELETE FROM moves;
	INSERT INTO moves SELECT i, i, noise(i) + array_fill(round * 100::real, ARRAY[16])::vector FROM generate_series(1, 1000) i;
END $$;
CALL move(1);
VACUUM moves;
SELECT replaced, moved FROM ivf_rebalance('moves_v');
CALL move(2);
VACUUM moves;
SELECT replaced, moved FROM ivf_rebalance('moves_v');
CALL move(3);
VACUUM moves;
SELECT replaced, moved FROM ivf_rebalance('moves_v');
INSERT INTO sizes VALUES (3, pg_relation_size('moves_v'));
CALL move(4);
VACUUM moves;
SELECT replaced, moved FROM ivf_rebalance('moves_v');
CALL move(5);
VACUUM moves;
SELECT replaced, moved FROM ivf_rebalance('moves_v');
CALL move(6);
VACUUM moves;
SELECT replaced, moved FROM ivf_rebalance('moves_v');
SELECT pg_relation_size('moves_v') - pages AS grown FROM sizes;
SELECT * FROM vector_index_check('moves_v', heapallindexed => true);

-- no rows, and rows that are all the same: there is nothing to do, or only once
DELETE FROM moves;
VACUUM moves;
SELECT replaced, entries FROM ivf_rebalance('moves_v');
INSERT INTO moves SELECT i, i, noise(i) FROM generate_series(1, 1000) i;
INSERT INTO moves SELECT i, i, noise(7) FROM generate_series(1001, 6000) i;
SELECT replaced, moved, left_over FROM ivf_rebalance('moves_v', 1000000);
SELECT replaced, moved, left_over FROM ivf_rebalance('moves_v', 1000000);
SELECT * FROM vector_index_check('moves_v', heapallindexed => true);
DROP PROCEDURE move;
DROP TABLE moves, sizes;

-- a list that is longer than the budget is parted all the same
CREATE TABLE parted (id int, v vector(8));
INSERT INTO parted SELECT i, array(SELECT hashint4(i * 8 + j) / 4294967296.0 + i % 20 FROM generate_series(1, 8) j)::vector FROM generate_series(1, 2000) i;
CREATE INDEX parted_v ON parted USING ivfflat (v vector_l2_ops) WITH (lists = 20);
DELETE FROM parted WHERE id % 20 <> 5 AND id % 7 <> 0;
VACUUM parted;
INSERT INTO parted SELECT i, array(SELECT hashint4(i * 8 + j) / 4294967296.0 * 30 + 40 FROM generate_series(1, 8) j)::vector FROM generate_series(2001, 10000) i;
SELECT imbalance > 5 AS uneven FROM ivf_drift('parted_v');
SELECT replaced > 1 AS with_others FROM ivf_rebalance('parted_v', 1000);
SELECT imbalance < 1.5 AS even FROM ivf_drift('parted_v');
SELECT replaced FROM ivf_rebalance('parted_v', 1000);
SELECT * FROM vector_index_check('parted_v', heapallindexed => true);
DROP TABLE parted;

-- by VACUUM alone: all rows are others, twice; recall and balance are those of new indexes
SET ivf.vacuum_budget = 50000;
CREATE TABLE left_alone (id int, tag int, v vector(16)) WITH (autovacuum_enabled = off);
INSERT INTO left_alone SELECT i, i % 10, p.v + noise(i) FROM generate_series(1, 4000) i JOIN places p ON p.world = 0 AND p.cluster = i % 40;
CREATE INDEX alone_flat ON left_alone USING ivfflat (v vector_l2_ops) WITH (lists = 80, target_recall = .95);
CREATE INDEX alone_pq ON left_alone USING ivfpq (v vector_l2_ops) WITH (lists = 80);
CREATE INDEX alone_rabitq ON left_alone USING ivfrabitq (v vector_l2_ops, tag) WITH (lists = 80);
CREATE INDEX alone_inside ON left_alone USING ivfrabitq (v vector_cosine_ops) WITH (lists = 80, rerank = index);
CREATE INDEX alone_expression ON left_alone USING ivfrabitq ((v::halfvec(16)) halfvec_l2_ops) WITH (lists = 80);
CREATE INDEX alone_off ON left_alone USING ivfrabitq (v vector_l2_ops) WITH (lists = 80, vacuum_budget = 0);
CREATE VIEW alone_indexes AS SELECT i::text AS index FROM unnest('{alone_flat,alone_pq,alone_rabitq,alone_inside,alone_expression,alone_off}'::regclass[]) i;
DELETE FROM left_alone WHERE id % 2 = 0;
INSERT INTO left_alone SELECT i, i % 10, p.v + noise(i) FROM generate_series(2, 4000, 2) i JOIN places p ON p.world = 1 AND p.cluster = i % 40;
VACUUM left_alone;
-- not in parallel: so expressions are evaluated, too
DELETE FROM left_alone WHERE id % 2 = 1;
INSERT INTO left_alone SELECT i, i % 10, p.v + noise(i) FROM generate_series(1, 4000, 2) i JOIN places p ON p.world = 1 AND p.cluster = i % 40;
VACUUM (PARALLEL 0) left_alone;
SELECT index, imbalance < 2 AS even, error < 1.1 * built_error AS near FROM alone_indexes, ivf_drift(index);
SELECT index, c.* FROM alone_indexes, vector_index_check(index, heapallindexed => true) c;
CREATE TABLE alone_recall AS SELECT index, r.recall FROM alone_indexes, vector_recall(index::regclass, k => 10, sample => 100) r WHERE index <> 'alone_off';
REINDEX TABLE left_alone;
SELECT index, a.recall > r.recall - .02 AS as_new FROM alone_recall a, vector_recall(index::regclass, k => 10, sample => 100) r;

-- the pages of lists before are freed by the next one; nothing more to do
DELETE FROM left_alone WHERE id % 50 = 0;
VACUUM left_alone;
SELECT index, c.* FROM alone_indexes, vector_index_check(index, heapallindexed => true) c;
-- rows that have only come count, too; no more are moved than the budget has
INSERT INTO left_alone SELECT 10000 + i, i % 10, p.v + noise(i) FROM generate_series(1, 4000) i JOIN places p ON p.world = 0 AND p.cluster = i % 40;
SET ivf.vacuum_budget = 1500;
VACUUM left_alone;
SELECT pg_current_xact_id() IS NOT NULL AS next_transaction;
SELECT index, left_over > 0 AS more, waits FROM alone_indexes, ivf_rebalance(index, 1) WHERE index = 'alone_flat';
SELECT index, c.* FROM alone_indexes, vector_index_check(index, heapallindexed => true) c;

-- VACUUM calls no function that may read a table, whatever it is declared as: rows that its snapshot sees may be gone
CREATE SEQUENCE calls;
CREATE FUNCTION strange(v vector) RETURNS vector LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN PERFORM nextval('public.calls'); RETURN v; END $$;
CREATE FUNCTION checked_by(v halfvec) RETURNS bool LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN PERFORM nextval('public.calls'); RETURN true; END $$;
CREATE DOMAIN checked AS halfvec(16) CHECK (checked_by(VALUE));
CREATE TYPE pair AS (x int);
CREATE FUNCTION pair_cmp(pair, pair) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN PERFORM nextval('public.calls'); RETURN ($1).x - ($2).x; END $$;
CREATE OPERATOR CLASS pair_ops DEFAULT FOR TYPE pair USING btree AS FUNCTION 1 pair_cmp(pair, pair);
CREATE TABLE odd (id int, v vector(16), d checked, c pair DEFAULT ROW(1)) WITH (autovacuum_enabled = off);
INSERT INTO odd (id, v, d) SELECT i, p.v + noise(i), p.v + noise(i) FROM generate_series(1, 2000) i JOIN places p ON p.world = 0 AND p.cluster = i % 40;
CREATE INDEX odd_function ON odd USING ivfrabitq ((strange(v)::vector(16)) vector_l2_ops) WITH (lists = 40);
CREATE INDEX odd_domain ON odd USING ivfflat ((v::halfvec(16)::checked::halfvec(16)) halfvec_l2_ops) WITH (lists = 40);
CREATE INDEX odd_filter ON odd USING ivfpq (v vector_l2_ops, (vector_dims(strange(v)))) WITH (lists = 40);
CREATE INDEX odd_type ON odd USING ivfflat ((CASE WHEN (greatest(c, c)).x = 1 THEN v END::vector(16)) vector_l2_ops) WITH (lists = 40);
CREATE INDEX odd_array ON odd USING ivfflat ((CASE WHEN ARRAY[c] < ARRAY[c] THEN NULL ELSE v END::vector(16)) vector_l2_ops) WITH (lists = 40);
CREATE INDEX odd_own ON odd USING ivfpq ((subvector(v, 1, 8)::halfvec(8)) halfvec_l2_ops, (lower(id::text))) WITH (lists = 40);
CREATE INDEX odd_predicate ON odd USING ivfrabitq (v vector_l2_ops) WITH (lists = 40) WHERE strange(v) IS NOT NULL;
CREATE INDEX odd_column ON odd USING ivfrabitq (d halfvec_l2_ops) WITH (lists = 40);
CREATE VIEW odd_indexes AS SELECT i::text AS index FROM unnest('{odd_function,odd_domain,odd_filter,odd_type,odd_array,odd_own,odd_predicate,odd_column}'::regclass[]) i;
DELETE FROM odd;
INSERT INTO odd (id, v, d) SELECT i, p.v + noise(i), p.v + noise(i) FROM generate_series(1, 2000) i JOIN places p ON p.world = 1 AND p.cluster = i % 40;
SET ivf.vacuum_budget = 50000;
SELECT nextval('calls') AS before \gset
SET client_min_messages = log;
VACUUM (PARALLEL 0) odd;
SET client_min_messages = warning;
SELECT nextval('calls') - :before AS calls;
SELECT index, error < 2 * built_error AS near, entries FROM odd_indexes, ivf_drift(index);
SELECT index, c.* FROM odd_indexes, vector_index_check(index, heapallindexed => true) c;
SELECT index, replaced > 0 AS by_hand, waits FROM odd_indexes, ivf_rebalance(index) WHERE index IN ('odd_function', 'odd_domain', 'odd_filter', 'odd_type', 'odd_array');
DROP TABLE odd CASCADE;
DROP DOMAIN checked;
DROP FUNCTION strange, checked_by;
DROP TYPE pair CASCADE;
DROP SEQUENCE calls;

-- what fails is a warning: the table is vacuumed all the same
CREATE TABLE large (id int, v vector(256)) WITH (autovacuum_enabled = off);
INSERT INTO large SELECT i, array_fill(sin(i * 7.1)::real, ARRAY[256])::vector FROM generate_series(1, 1200) i;
CREATE INDEX large_v ON large USING ivfrabitq (v vector_l2_ops) WITH (lists = 1000);
DELETE FROM large WHERE id % 2 = 0;
INSERT INTO large SELECT i, array_fill(sin(i * 7.1)::real, ARRAY[256])::vector FROM generate_series(2, 4000, 2) i;
SET maintenance_work_mem = '1MB';
VACUUM large;
RESET maintenance_work_mem;
SELECT * FROM vector_index_check('large_v', heapallindexed => true);
SELECT reltuples FROM pg_class WHERE oid = 'large'::regclass;
DROP TABLE large;

-- lists are looked at when rows have come since the last look, not since they were made: of a
-- partial index, where many values are null, and where all lists have grown alike
CREATE TABLE alike (id int, v vector(16), w vector(16)) WITH (autovacuum_enabled = off);
INSERT INTO alike SELECT i, p.v + noise(i), CASE WHEN i % 5 = 0 THEN p.v + noise(i) END FROM generate_series(1, 2000) i JOIN places p ON p.world = 0 AND p.cluster = i % 40;
CREATE INDEX alike_all ON alike USING ivfrabitq (v vector_l2_ops) WITH (lists = 40);
CREATE INDEX alike_part ON alike USING ivfrabitq (v vector_l2_ops) WITH (lists = 8) WHERE id % 5 = 0;
CREATE INDEX alike_null ON alike USING ivfrabitq (w vector_l2_ops) WITH (lists = 8);
INSERT INTO alike SELECT i, p.v + noise(i), CASE WHEN i % 5 = 0 THEN p.v + noise(i) END FROM generate_series(2001, 2600) i JOIN places p ON p.world = 0 AND p.cluster = i % 40;
SET client_min_messages = debug1;
VACUUM alike;
VACUUM alike;
SET client_min_messages = warning;
INSERT INTO alike SELECT i, p.v + noise(i), CASE WHEN i % 5 = 0 THEN p.v + noise(i) END FROM generate_series(2601, 2700) i JOIN places p ON p.world = 0 AND p.cluster = i % 40;
SET client_min_messages = debug1;
VACUUM alike;
SET client_min_messages = warning;
INSERT INTO alike SELECT i, p.v + noise(i), CASE WHEN i % 5 = 0 THEN p.v + noise(i) END FROM generate_series(2701, 3000) i JOIN places p ON p.world = 0 AND p.cluster = i % 40;
SET client_min_messages = debug1;
VACUUM alike;
-- of the 600 entries of a partial index, seven are more than one in a hundred
DELETE FROM alike WHERE id % 5 = 0 AND id <= 35;
VACUUM alike;
VACUUM alike;
SET client_min_messages = warning;
DROP TABLE alike;
SET ivf.vacuum_budget = 0;
DROP TABLE alone_recall;
DROP TABLE left_alone CASCADE;

-- errors
CREATE INDEX kept_graph ON kept USING hnsw (v vector_l2_ops) WITH (m = 4, ef_construction = 8);
CREATE TABLE nothing (v vector(3));
CREATE INDEX nothing_v ON nothing USING ivfrabitq (v vector_l2_ops);
CREATE TABLE tokens (v vector(3)[]);
INSERT INTO tokens SELECT ARRAY[format('[%s,1,1]', i), format('[1,%s,1]', i)]::vector[] FROM generate_series(1, 100) i;
CREATE INDEX tokens_v ON tokens USING ivfflat (v vector_maxsim_ops) WITH (lists = 2);
SELECT ivf_rebalance('kept');
SELECT ivf_rebalance('kept_graph');
SELECT ivf_rebalance('nothing_v');
SELECT ivf_rebalance('tokens_v');
SELECT ivf_rebalance('kept_pq', 0);
BEGIN READ ONLY;
SELECT ivf_rebalance('kept_pq');
ROLLBACK;
CREATE ROLE regress_other;
GRANT SELECT ON kept TO regress_other;
SET ROLE regress_other;
SELECT ivf_rebalance('kept_pq');
RESET ROLE;
DROP OWNED BY regress_other;
DROP ROLE regress_other;
DROP TABLE kept, places, grows, nothing, tokens CASCADE;
DROP FUNCTION place, noise;
