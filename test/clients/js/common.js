// What the tests of drivers and ORMs share: rows, and what a search must give.
export const database = process.env.PGDATABASE;
export const url = `postgres://postgres:postgres@localhost:5432/${database}`;

export const rows = [
  { id: 1, section: 'games', embedding: [1, 1, 1], half: [1, 1, 1], bits: '000', sparse: { 1: 1, 2: 1, 3: 1 } },
  { id: 2, section: 'games', embedding: [2, 2, 2], half: [2, 2, 2], bits: '101', sparse: { 1: 2, 2: 2, 3: 2 } },
  { id: 3, section: 'math', embedding: [1, 1, 2], half: [1, 1, 2], bits: '111', sparse: { 1: 1, 2: 1, 3: 2 } },
];
export const sparseText = (s) => `{${Object.entries(s).map(([i, v]) => `${i}:${v}`).join(',')}}/3`;

// The rows' numbers by distance from [1,1,1], and from 101 for bits.
export const nearest = {
  l2: [1, 3, 2],
  innerProduct: [2, 3, 1],
  l1: [1, 3, 2],
  hamming: [2, 3, 1],
  jaccard: [2, 3, 1],
};
// From [2,2,1]: rows 1 and 2 are in one direction, so only the last place is sure.
export const farthestByCosine = 3;

export const table = `CREATE TABLE items (id bigint PRIMARY KEY, section text, embedding vector(3), half halfvec(3),
  bits bit(3), sparse sparsevec(3))`;
export const ids = (found) => found.map((r) => Number(r.id));

// The access methods of a table's indexes, and that a search by one of them is a scan of it.
export const methods = `SELECT a.amname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam
  WHERE i.indrelid = 'items'::regclass AND NOT i.indisprimary ORDER BY 1`;
