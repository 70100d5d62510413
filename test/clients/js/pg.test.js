import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';
import pg from 'pg';
import pgvector from 'pgvector/pg';
import { SparseVector } from 'pgvector';
import * as common from './common.js';

const client = new pg.Client({ database: common.database });
before(async () => {
  await client.connect();
  await client.query('CREATE EXTENSION IF NOT EXISTS vector');
  await pgvector.registerTypes(client);
  await client.query(common.table);
  for (const r of common.rows) {
    await client.query('INSERT INTO items VALUES ($1, $2, $3, $4, $5, $6)', [r.id, r.section, pgvector.toSql(r.embedding),
      pgvector.toSql(r.half), r.bits, pgvector.toSql(new SparseVector(Object.values(r.sparse)))]);
  }
});
after(() => client.end());

test('values come back', async () => {
  const { rows } = await client.query('SELECT * FROM items ORDER BY id');
  assert.deepEqual(rows.map((r) => r.embedding), common.rows.map((r) => r.embedding));
  assert.deepEqual(rows.map((r) => r.half), common.rows.map((r) => r.half));
  assert.deepEqual(rows.map((r) => r.bits), common.rows.map((r) => r.bits));
  assert.deepEqual(rows[2].sparse.toArray(), [1, 1, 2]);
});

test('nearest rows by each operator', async () => {
  const by = async (operator, column, value) => common.ids((await client.query(
    `SELECT id FROM items ORDER BY ${column} ${operator} $1, id LIMIT 5`, [value])).rows);
  const one = pgvector.toSql([1, 1, 1]);
  assert.deepEqual(await by('<->', 'embedding', one), common.nearest.l2);
  assert.deepEqual(await by('<#>', 'embedding', one), common.nearest.innerProduct);
  assert.deepEqual(await by('<+>', 'embedding', one), common.nearest.l1);
  assert.equal((await by('<=>', 'embedding', pgvector.toSql([2, 2, 1]))).at(-1), common.farthestByCosine);
  assert.deepEqual(await by('<->', 'half', one), common.nearest.l2);
  assert.deepEqual(await by('<->', 'sparse', '{1:1,2:1,3:1}/3'), common.nearest.l2);
  assert.deepEqual(await by('<~>', 'bits', '101'), common.nearest.hamming);
  assert.deepEqual(await by('<%>', 'bits', '101'), common.nearest.jaccard);
});

test('indexes', async () => {
  await client.query('CREATE INDEX ON items USING hnsw (embedding vector_l2_ops)');
  await client.query('CREATE INDEX ON items USING ivfflat (embedding vector_l2_ops) WITH (lists = 1)');
  await client.query('BEGIN');
  await client.query('SET LOCAL enable_seqscan = off');
  await client.query('SET LOCAL hnsw.ef_search = 100');
  const { rows } = await client.query('SELECT id FROM items ORDER BY embedding <-> $1 LIMIT 5', ['[1,1,1]']);
  await client.query('COMMIT');
  assert.deepEqual(common.ids(rows), common.nearest.l2);
  assert.deepEqual((await client.query(common.methods)).rows.map((r) => r.amname), ['hnsw', 'ivfflat']);
});

test('a prepared statement, from plan to generic plan', async () => {
  for (let i = 0; i < 8; i++) {
    const { rows } = await client.query({ name: 'nearest', text: 'SELECT id FROM items ORDER BY embedding <-> $1 LIMIT $2',
      values: ['[1,1,1]', 2] });
    assert.deepEqual(common.ids(rows), [1, 3]);
  }
});

test('an error has its SQLSTATE', async () => {
  await assert.rejects(client.query('INSERT INTO items (id, embedding) VALUES (9, $1)', ['[1,2]']), { code: '22000' });
  await assert.rejects(client.query("SELECT '[nan]'::vector"), { code: '22000' });
  await assert.rejects(client.query("SELECT '[1;2]'::vector"), { code: '22P02' });
});
