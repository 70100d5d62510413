import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';
import { Kysely, PostgresDialect, sql } from 'kysely';
import pg from 'pg';
import pgvector, { cosineDistance, hammingDistance, jaccardDistance, l1Distance, l2Distance, maxInnerProduct } from 'pgvector/kysely';
import * as common from './common.js';

const db = new Kysely({ dialect: new PostgresDialect({ pool: new pg.Pool({ database: common.database }) }) });
before(async () => {
  await sql`CREATE EXTENSION IF NOT EXISTS vector`.execute(db);
  await db.schema.createTable('items').addColumn('id', 'bigint', (c) => c.primaryKey()).addColumn('section', 'text')
    .addColumn('embedding', sql`vector(3)`).addColumn('half', sql`halfvec(3)`).addColumn('bits', sql`bit(3)`)
    .addColumn('sparse', sql`sparsevec(3)`).execute();
  await db.insertInto('items').values(common.rows.map((r) => ({ ...r, embedding: pgvector.toSql(r.embedding),
    half: pgvector.toSql(r.half), sparse: common.sparseText(r.sparse) }))).execute();
});
after(() => db.destroy());

test('nearest rows by each function', async () => {
  const by = async (distance) => common.ids(await db.selectFrom('items').selectAll().orderBy(distance).limit(5).execute());
  assert.deepEqual(await by(l2Distance('embedding', [1, 1, 1])), common.nearest.l2);
  assert.deepEqual(await by(maxInnerProduct('embedding', [1, 1, 1])), common.nearest.innerProduct);
  assert.deepEqual(await by(l1Distance('half', [1, 1, 1])), common.nearest.l1);
  assert.equal((await by(cosineDistance('embedding', [2, 2, 1]))).at(-1), common.farthestByCosine);
  assert.deepEqual(await by(hammingDistance('bits', '101')), common.nearest.hamming);
  assert.deepEqual(await by(jaccardDistance('bits', '101')), common.nearest.jaccard);
});

test('rows within a distance', async () => {
  const found = await db.selectFrom('items').selectAll().where(l2Distance('embedding', [1, 1, 1]), '<', 1.5).orderBy('id').execute();
  assert.deepEqual(common.ids(found), [1, 3]);
});

test('an index by the schema builder', async () => {
  await db.schema.createIndex('items_hnsw').on('items').using('hnsw').expression(sql`embedding vector_l2_ops`).execute();
  assert.deepEqual((await sql.raw(common.methods).execute(db)).rows.map((r) => r.amname), ['hnsw']);
});
