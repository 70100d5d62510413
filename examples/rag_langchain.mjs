// Retrieval-augmented generation with LangChain JS, over the 7,000 descriptions of the demo.
//
//     npm install @langchain/community @langchain/core pg
//     node examples/rag_langchain.mjs ['edit photos']
//
// in a database of yours (PGHOST and the like say which), where it makes the table
// rag_packages and drops it in the end. No network is needed: the demo's data have the
// embeddings of 40 questions (demo/data/questions.tsv). For others put the embeddings of
// all-MiniLM-L6-v2 in their place, and a language model in place of `answer`.
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { PGVectorStore } from '@langchain/community/vectorstores/pgvector';
import { Document } from '@langchain/core/documents';
import { ChatPromptTemplate } from '@langchain/core/prompts';
import { RunnableLambda, RunnableSequence } from '@langchain/core/runnables';

const data = `${process.env.DEMO_DATA ?? 'demo/data'}/`;
const lines = (text) => text.trimEnd().split('\n').map((line) => line.split('\t'));
// Numbers may begin with a point, which JSON does not allow.
const vector = (text) => text.slice(1, -1).split(',').map(Number);
const questions = new Map(lines(readFileSync(`${data}questions.tsv`, 'utf8')).map(([, question, embedding]) => [question, vector(embedding)]));
const embeddings = {
  embedQuery: async (question) => questions.get(question) ?? Promise.reject(new Error(`one of: ${[...questions.keys()].join(', ')}`)),
  embedDocuments: (texts) => Promise.all(texts.map(embeddings.embedQuery)),
};
const question = process.argv[2] ?? 'edit photos';

const store = await PGVectorStore.initialize(embeddings,
  { postgresConnectionOptions: {}, tableName: 'rag_packages', distanceStrategy: 'cosine', dimensions: 384 });
const packages = lines(gunzipSync(readFileSync(`${data}packages.tsv.gz`)).toString());
await store.addVectors(packages.map((p) => vector(p[5])), packages.map(([name, section, kb, summary, description]) =>
  new Document({ pageContent: `${summary}. ${description}`, metadata: { name, section, kb: Number(kb) } })));
await store.createHnswIndex({ dimensions: 384, efConstruction: 64, m: 16, distanceFunction: 'cosine' });
await store.pool.query('ANALYZE rag_packages');

const prompt = ChatPromptTemplate.fromTemplate('Answer by these sources alone.\n\n{sources}\n\nQuestion: {question}');
const sources = (found) => found.map((d) => `- ${d.metadata.name}: ${d.pageContent.slice(0, 150)}`).join('\n');
const answer = (value) => {
  const text = value.messages.at(-1).content;
  console.log(`${text}\n`);
  return `Try ${text.split('\n').find((line) => line.startsWith('- ')).slice(2)}`;
};
const chain = RunnableSequence.from([
  { sources: RunnableLambda.from((q) => q).pipe(store.asRetriever(4)).pipe(sources), question: (q) => q },
  prompt,
  RunnableLambda.from(answer),
]);
console.log(await chain.invoke(question));
await store.pool.query('DROP TABLE rag_packages');
await store.end();
