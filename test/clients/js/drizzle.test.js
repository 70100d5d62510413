import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import test, { after, before } from 'node:test';
import { cosineDistance, hammingDistance, jaccardDistance, l1Distance, l2Distance, innerProduct, lt, sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import { bigint, bit, halfvec, index, pgTable, sparsevec, text, vector } from 'drizzle-orm/pg-core';
import pg from 'pg';
import * as common from './common.js';

const schema = `
import { bigint, bit, halfvec, index, pgTable, sparsevec, text, vector } from 'drizzle-orm/pg-core';
export const items = pgTable('items', {
  id: bigint('id', { mode: 'number' }).primaryKey(),
  section: text('section'),
  embedding: vector('embedding', { dimensions: 3 }),
  half: halfvec('half', { dimensions: 3 }),
  bits: bit('bits', { dimensions: 3 }),
  sparse: sparsevec('sparse', { dimensions: 3 }),
}, (t) => [
  index('items_hnsw').using('hnsw', t.embedding.op('vector_l2_ops')).with({ m: 8 }),
  index('items_lists').using('ivfrabitq', t.embedding.op('vector_cosine_ops'), t.section.op('text_ops')).with({ lists: 1 }),
]);
`;
const items = pgTable('items', {
  id: bigint('id', { mode: 'number' }).primaryKey(),
  section: text('section'),
  embedding: vector('embedding', { dimensions: 3 }),
  half: halfvec('half', { dimensions: 3 }),
  bits: bit('bits', { dimensions: 3 }),
  sparse: sparsevec('sparse', { dimensions: 3 }),
});
const pool = new pg.Pool({ database: common.database });
const db = drizzle(pool);
const folder = mkdtempSync('./drizzle-');
const kit = (command) => execFileSync('node', ['node_modules/drizzle-kit/bin.cjs', command, `--config=${folder}/config.js`],
  { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });

before(async () => {
  await db.execute(sql`CREATE EXTENSION IF NOT EXISTS vector`);
  writeFileSync(`${folder}/schema.js`, schema);
  writeFileSync(`${folder}/config.js`, `export default { dialect: 'postgresql', schema: '${folder}/schema.js', out: '${folder}/out',
    dbCredentials: { url: '${common.url}?sslmode=disable' }, strict: false };`);
});
after(async () => {
  await pool.end();
  rmSync(folder, { recursive: true });
});

test('drizzle-kit generate writes the migration, and migrate runs it', async () => {
  kit('generate');
  const file = readdirSync(`${folder}/out`).find((f) => f.endsWith('.sql'));
  assert.match(readFileSync(`${folder}/out/${file}`, 'utf8'), /USING ivfrabitq \("embedding" vector_cosine_ops,"section" text_ops\)/);
  kit('migrate');
  assert.deepEqual((await pool.query(common.methods)).rows.map((r) => r.amname), ['hnsw', 'ivfrabitq']);
});

test('values come back', async () => {
  await db.insert(items).values(common.rows.map((r) => ({ ...r, sparse: common.sparseText(r.sparse) })));
  const rows = await db.select().from(items).orderBy(items.id);
  assert.deepEqual(rows.map((r) => r.embedding), common.rows.map((r) => r.embedding));
  assert.deepEqual(rows.map((r) => r.half), common.rows.map((r) => r.half));
  assert.deepEqual(rows.map((r) => r.sparse), common.rows.map((r) => common.sparseText(r.sparse)));
});

test('nearest rows by each function', async () => {
  const by = async (distance) => common.ids(await db.select().from(items).orderBy(distance).limit(5));
  assert.deepEqual(await by(l2Distance(items.embedding, [1, 1, 1])), common.nearest.l2);
  assert.deepEqual(await by(innerProduct(items.embedding, [1, 1, 1])), common.nearest.innerProduct);
  assert.deepEqual(await by(l1Distance(items.half, [1, 1, 1])), common.nearest.l1);
  assert.equal((await by(cosineDistance(items.embedding, [2, 2, 1]))).at(-1), common.farthestByCosine);
  assert.deepEqual(await by(hammingDistance(items.bits, '101')), common.nearest.hamming);
  assert.deepEqual(await by(jaccardDistance(items.bits, '101')), common.nearest.jaccard);
});

test('rows within a distance', async () => {
  const rows = await db.select().from(items).where(lt(l2Distance(items.embedding, [1, 1, 1]), 1.5)).orderBy(items.id);
  assert.deepEqual(common.ids(rows), [1, 3]);
});

// It makes indexes with options anew each time.
test('drizzle-kit push leaves the table and its indexes as they are', async () => {
  const before = (await pool.query("SELECT indexdef FROM pg_indexes WHERE tablename = 'items' ORDER BY 1")).rows;
  kit('push');
  assert.deepEqual((await pool.query("SELECT indexdef FROM pg_indexes WHERE tablename = 'items' ORDER BY 1")).rows, before);
  assert.equal((await db.select().from(items)).length, 3);
});
