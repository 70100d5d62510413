import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';
import { DataTypes, Sequelize } from 'sequelize';
import { SparseVector } from 'pgvector';
import { cosineDistance, hammingDistance, jaccardDistance, l1Distance, l2Distance, maxInnerProduct } from 'pgvector/sequelize';
import * as common from './common.js';

const sequelize = new Sequelize(common.url, { logging: false });
const Item = sequelize.define('Item', {
  id: { type: DataTypes.BIGINT, primaryKey: true },
  section: DataTypes.TEXT,
  embedding: DataTypes.VECTOR(3),
  half: DataTypes.HALFVEC(3),
  bits: 'BIT(3)',
  sparse: DataTypes.SPARSEVEC(3),
}, {
  tableName: 'items',
  timestamps: false,
  indexes: [
    { name: 'items_hnsw', fields: ['embedding'], using: 'hnsw', operator: 'vector_l2_ops' },
    { name: 'items_lists', fields: [{ name: 'embedding', operator: 'vector_cosine_ops' }, 'section'], using: 'ivfrabitq' },
  ],
});
before(async () => {
  await sequelize.query('CREATE EXTENSION IF NOT EXISTS vector');
  await Item.sync({ force: true });
  await Item.bulkCreate(common.rows.map((r) => ({ ...r, sparse: new SparseVector(Object.values(r.sparse)) })));
});
after(() => sequelize.close());

test('values come back', async () => {
  const rows = await Item.findAll({ order: ['id'] });
  assert.deepEqual(rows.map((r) => r.embedding), common.rows.map((r) => r.embedding));
  assert.deepEqual(rows.map((r) => r.half), common.rows.map((r) => r.half));
  assert.deepEqual(rows[2].sparse.toArray(), [1, 1, 2]);
});

test('nearest rows by each function', async () => {
  const by = async (distance) => common.ids(await Item.findAll({ order: distance, limit: 5 }));
  assert.deepEqual(await by(l2Distance('embedding', [1, 1, 1], sequelize)), common.nearest.l2);
  assert.deepEqual(await by(maxInnerProduct('embedding', [1, 1, 1], sequelize)), common.nearest.innerProduct);
  assert.deepEqual(await by(l1Distance('half', [1, 1, 1], sequelize)), common.nearest.l1);
  assert.equal((await by(cosineDistance('embedding', [2, 2, 1], sequelize))).at(-1), common.farthestByCosine);
  assert.deepEqual(await by(hammingDistance('bits', '101', sequelize)), common.nearest.hamming);
  assert.deepEqual(await by(jaccardDistance('bits', '101', sequelize)), common.nearest.jaccard);
});

test('indexes of the model', async () => {
  assert.deepEqual((await sequelize.query(common.methods))[0].map((r) => r.amname), ['hnsw', 'ivfrabitq']);
});

test('a value of another number of dimensions is refused', async () => {
  await assert.rejects(Item.create({ id: 9, embedding: [1, 2] }), /dimensions/);
});
