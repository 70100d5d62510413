import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';
import { DataSource, EntitySchema } from 'typeorm';
import pgvector from 'pgvector';
import * as common from './common.js';

const Item = new EntitySchema({
  name: 'Item',
  tableName: 'items',
  columns: {
    id: { type: 'bigint', primary: true },
    section: { type: 'text' },
    embedding: { type: 'vector', length: 3 },
    half: { type: 'halfvec', length: 3 },
  },
});
const source = new DataSource({ type: 'postgres', url: common.url, entities: [Item], synchronize: false });
before(async () => {
  await source.initialize();
  await source.synchronize();
  await source.getRepository('Item').save(common.rows.map(({ id, section, embedding, half }) => ({ id, section, embedding, half })));
});
after(() => source.destroy());

test('values come back', async () => {
  const rows = await source.getRepository('Item').find({ order: { id: 'ASC' } });
  assert.deepEqual(rows.map((r) => r.embedding), common.rows.map((r) => r.embedding));
  assert.deepEqual(rows.map((r) => r.half), common.rows.map((r) => r.half));
});

test('nearest rows', async () => {
  const rows = await source.getRepository('Item').createQueryBuilder('item').orderBy('embedding <-> :query')
    .setParameters({ query: pgvector.toSql([1, 1, 1]) }).limit(5).getMany();
  assert.deepEqual(common.ids(rows), common.nearest.l2);
});

test('a second synchronization changes nothing', async () => {
  const statements = await source.driver.createSchemaBuilder().log();
  assert.deepEqual(statements.upQueries.map((q) => q.query), []);
});

test('an index', async () => {
  await source.query('CREATE INDEX items_hnsw ON items USING hnsw (embedding vector_l2_ops)');
  assert.deepEqual((await source.query(common.methods)).map((r) => r.amname), ['hnsw']);
});
