import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';
import { PGVectorStore } from '@langchain/community/vectorstores/pgvector';
import { Document } from '@langchain/core/documents';
import { SyntheticEmbeddings } from '@langchain/core/utils/testing';
import pg from 'pg';
import * as common from './common.js';

const embeddings = new SyntheticEmbeddings({ vectorSize: 64 });
const connection = { database: common.database };
const pool = new pg.Pool(connection);
const store = {};
before(async () => {
  for (const distanceStrategy of ['cosine', 'innerProduct', 'euclidean']) {
    store[distanceStrategy] = await PGVectorStore.initialize(embeddings, { postgresConnectionOptions: connection, tableName: `docs_${distanceStrategy}`,
      distanceStrategy, dimensions: 64, scoreNormalization: 'distance' });
    await store[distanceStrategy].addDocuments(['cat', 'dog', 'bird', 'train'].map((word, i) =>
      new Document({ pageContent: word, metadata: { number: i, kind: i < 3 ? 'animal' : 'machine' } })));
  }
});
after(() => Promise.all([pool, ...Object.values(store)].map((p) => p.end())));

test('the document itself is the nearest, by each strategy', async () => {
  for (const [name, s] of Object.entries(store)) {
    const found = await s.similaritySearchWithScore('bird', 4);
    assert.equal(found.length, 4, name);
    if (name !== 'innerProduct') {
      assert.equal(found[0][0].pageContent, 'bird', name);
      assert.ok(Math.abs(found[0][1]) < 1e-4, `${name}: ${found[0][1]}`);
    }
  }
});

test('filters of metadata', async () => {
  const search = async (filter) => (await store.cosine.similaritySearch('bird', 4, filter)).map((d) => d.pageContent).sort();
  assert.deepEqual(await search({ kind: 'machine' }), ['train']);
  assert.deepEqual(await search({ kind: { in: ['animal'] } }), ['bird', 'cat', 'dog']);
  assert.deepEqual(await search({ kind: { notIn: ['animal'] } }), ['train']);
});

test('createHnswIndex, and the search by it', async () => {
  await store.cosine.createHnswIndex({ dimensions: 64, efConstruction: 64, m: 16, distanceFunction: 'cosine' });
  const { rows } = await pool.query("SELECT indexdef FROM pg_indexes WHERE tablename = 'docs_cosine' AND indexdef LIKE '%hnsw%'");
  assert.equal(rows.length, 1);
  assert.match(rows[0].indexdef, /vector_cosine_ops/);
  assert.equal((await store.cosine.similaritySearch('dog', 1))[0].pageContent, 'dog');
});

test('deleting by id and by filter', async () => {
  await store.euclidean.delete({ filter: { kind: 'machine' } });
  assert.equal((await store.euclidean.similaritySearch('train', 9)).length, 3);
  const [{ id }] = await store.euclidean.similaritySearch('cat', 1);
  await store.euclidean.delete({ ids: [id] });
  assert.equal((await store.euclidean.similaritySearch('train', 9)).length, 2);
});

test('maximal marginal relevance', async () => {
  const found = await store.cosine.maxMarginalRelevanceSearch('cat', { k: 2, fetchK: 4 });
  assert.equal(found.length, 2);
  assert.equal(found[0].pageContent, 'cat');
});
