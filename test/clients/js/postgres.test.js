import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';
import postgres from 'postgres';
import pgvector, { SparseVector } from 'pgvector';
import * as common from './common.js';

const sql = postgres({ database: common.database, onnotice() {} });
before(async () => {
  await sql`CREATE EXTENSION IF NOT EXISTS vector`;
  await sql.unsafe(common.table);
  await sql`INSERT INTO items ${sql(common.rows.map((r) => ({ ...r, embedding: pgvector.toSql(r.embedding),
    half: pgvector.toSql(r.half), sparse: pgvector.toSql(new SparseVector(Object.values(r.sparse))) })))}`;
});
after(() => sql.end());

test('values come back', async () => {
  const rows = await sql`SELECT * FROM items ORDER BY id`;
  assert.deepEqual(rows.map((r) => pgvector.fromSql(r.embedding)), common.rows.map((r) => r.embedding));
  assert.deepEqual(rows.map((r) => pgvector.fromSql(r.half)), common.rows.map((r) => r.half));
  assert.deepEqual(rows.map((r) => r.sparse), common.rows.map((r) => common.sparseText(r.sparse)));
});

test('nearest rows', async () => {
  const query = pgvector.toSql([1, 1, 1]);
  assert.deepEqual(common.ids(await sql`SELECT id FROM items ORDER BY embedding <-> ${query} LIMIT 5`), common.nearest.l2);
  assert.deepEqual(common.ids(await sql`SELECT id FROM items ORDER BY embedding <#> ${query} LIMIT 5`), common.nearest.innerProduct);
  assert.deepEqual(common.ids(await sql`SELECT id FROM items ORDER BY bits <~> ${'101'} LIMIT 5`), common.nearest.hamming);
});

test('indexes, settings in a transaction', async () => {
  await sql`CREATE INDEX ON items USING hnsw (embedding vector_l2_ops)`;
  const rows = await sql.begin(async (tx) => {
    await tx`SET LOCAL enable_seqscan = off`;
    await tx`SET LOCAL hnsw.ef_search = 100`;
    return tx`SELECT id FROM items ORDER BY embedding <-> ${pgvector.toSql([1, 1, 1])} LIMIT 5`;
  });
  assert.deepEqual(common.ids(rows), common.nearest.l2);
});

test('a cursor', async () => {
  const found = [];
  for await (const [row] of sql`SELECT id FROM items ORDER BY embedding <-> ${'[1,1,1]'}`.cursor()) {
    found.push(row);
  }
  assert.deepEqual(common.ids(found), common.nearest.l2);
});
