-- A table whose rows citus has put on other servers is empty here, and its index no mistake
CREATE TABLE spread_items (id int, v vector(3));
CREATE INDEX spread_before ON spread_items USING ivfflat (v vector_l2_ops);
SET allow_system_table_mods = on;
CREATE TABLE pg_catalog.pg_dist_partition (partmethod "char", logicalrelid regclass);
-- citus is there, and the table is an ordinary one
CREATE INDEX spread_local ON spread_items USING ivfflat (v vector_l2_ops);
INSERT INTO pg_catalog.pg_dist_partition VALUES ('h', 'pg_class'), ('h', 'spread_items');
CREATE INDEX spread_flat ON spread_items USING ivfflat (v vector_l2_ops);
CREATE INDEX spread_pq ON spread_items USING ivfpq (v vector_l2_ops);
CREATE INDEX spread_hnsw ON spread_items USING hnsw (v vector_l2_ops);
-- a table of that name and another form is not read
ALTER TABLE pg_catalog.pg_dist_partition ALTER logicalrelid TYPE oid;
CREATE INDEX spread_other ON spread_items USING ivfflat (v vector_l2_ops);
DROP TABLE pg_catalog.pg_dist_partition;
RESET allow_system_table_mods;
DROP TABLE spread_items;
