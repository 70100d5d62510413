import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';
import Knex from 'knex';
import pgvector from 'pgvector/knex';
import * as common from './common.js';

const knex = Knex({ client: 'pg', connection: { database: common.database } });
before(async () => {
  await knex.schema.createExtensionIfNotExists('vector');
  await knex.schema.createTable('items', (t) => {
    t.bigInteger('id').primary();
    t.text('section');
    t.vector('embedding', 3);
    t.halfvec('half', 3);
    t.bit('bits', { length: 3 });
    t.sparsevec('sparse', 3);
  });
  await knex('items').insert(common.rows.map((r) => ({ ...r, embedding: pgvector.toSql(r.embedding),
    half: pgvector.toSql(r.half), sparse: common.sparseText(r.sparse) })));
});
after(() => knex.destroy());

test('values come back', async () => {
  const rows = await knex('items').orderBy('id');
  assert.deepEqual(rows.map((r) => pgvector.fromSql(r.embedding)), common.rows.map((r) => r.embedding));
});

test('nearest rows by each function', async () => {
  const by = async (distance) => common.ids(await knex('items').orderBy(distance).limit(5));
  assert.deepEqual(await by(knex.l2Distance('embedding', [1, 1, 1])), common.nearest.l2);
  assert.deepEqual(await by(knex.maxInnerProduct('embedding', [1, 1, 1])), common.nearest.innerProduct);
  assert.deepEqual(await by(knex.l1Distance('half', [1, 1, 1])), common.nearest.l1);
  assert.equal((await by(knex.cosineDistance('embedding', [2, 2, 1]))).at(-1), common.farthestByCosine);
  assert.deepEqual(await by(knex.hammingDistance('bits', '101')), common.nearest.hamming);
  assert.deepEqual(await by(knex.jaccardDistance('bits', '101')), common.nearest.jaccard);
});

test('an index by the schema builder', async () => {
  await knex.schema.alterTable('items', (t) => {
    t.index([knex.raw('embedding vector_l2_ops')], 'items_hnsw', 'hnsw');
    t.index([knex.raw('embedding vector_cosine_ops'), 'section'], 'items_lists', 'ivfrabitq');
  });
  assert.deepEqual((await knex.raw(common.methods)).rows.map((r) => r.amname), ['hnsw', 'ivfrabitq']);
  const rows = await knex.transaction(async (trx) => {
    await trx.raw('SET LOCAL enable_seqscan = off');
    return trx('items').where('section', 'games').orderBy(knex.cosineDistance('embedding', [1, 1, 1])).orderBy('id').limit(5);
  });
  assert.deepEqual(common.ids(rows), [1, 2]);
});
