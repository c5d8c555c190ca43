// The peer's HTTP server: three routes on node:http, one PrismaClient, one pool.
//
// Environment: DATABASE_URL, PORT (0 takes a free one), POOL (connections, default 16).
// Prints `listening PORT` when it can answer, and stops on SIGTERM or SIGINT.

import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';

import { PrismaPg } from '@prisma/adapter-pg';
import { PrismaClient } from '@prisma/client';

import { createQuote, readQuote, Refusal, updateQuote } from './saving.mjs';

const BODY_BYTES_MAX = 1024 * 1024;
const ROUTE = /^\/api\/agents\/quotes(?:\/([^/?]+))?(?:\?.*)?$/;

const { DATABASE_URL, PORT = '0', POOL = '16' } = process.env;
if (!DATABASE_URL) throw new Error('DATABASE_URL is not set.');

const prisma = new PrismaClient({
  adapter: new PrismaPg({ connectionString: DATABASE_URL, max: Number(POOL) }),
});

function readBody(request) {
  return new Promise((resolve, reject) => {
    const chunks = [];
    let bytes = 0;
    request.on('data', (chunk) => {
      bytes += chunk.length;
      // The rest is read and dropped, so that the connection stays usable.
      if (bytes <= BODY_BYTES_MAX) chunks.push(chunk);
    });
    request.on('error', reject);
    request.on('end', () => {
      if (bytes > BODY_BYTES_MAX) return reject(new Refusal(413, 'QUOTE_VALIDATION_FAILED', 'The body is too large.'));
      try {
        const body = JSON.parse(Buffer.concat(chunks).toString('utf8'));
        if (body === null || typeof body !== 'object' || Array.isArray(body)) throw new SyntaxError('not an object');
        resolve(body);
      } catch {
        reject(new Refusal(400, 'QUOTE_VALIDATION_FAILED', 'The body must be a JSON object.'));
      }
    });
  });
}

async function answer(request) {
  const route = ROUTE.exec(request.url);
  const quoteId = route?.[1];
  const userId = request.headers['x-user-id'];
  const correlationId = request.headers['x-correlation-id'] ?? randomUUID();

  if (route && request.method === 'POST' && !quoteId) {
    const quote = await createQuote(prisma, { userId, correlationId, body: await readBody(request) });
    return [201, { success: true, quoteId: quote.id, version: quote.version, quote }];
  }
  if (route && request.method === 'PATCH' && quoteId) {
    const quote = await updateQuote(prisma, { userId, quoteId, body: await readBody(request) });
    return [200, { success: true, quoteId: quote.id, version: quote.version, quote }];
  }
  if (route && request.method === 'GET' && quoteId) {
    return [200, { success: true, quote: await readQuote(prisma, { userId, quoteId }) }];
  }
  return [404, { success: false, errorCode: 'NOT_FOUND', message: 'There is no such route.' }];
}

function explain(error) {
  if (error instanceof Refusal) {
    const { status, errorCode, message, details } = error;
    return [status, { success: false, errorCode, message, details }];
  }
  // Not expected in a run: the bench counts it as an error, and a person needs to see why.
  console.error(error);
  return [500, { success: false, errorCode: 'INTERNAL_ERROR', message: 'Something went wrong.' }];
}

const server = createServer(async (request, response) => {
  const [status, body] = await answer(request).catch(explain);
  const text = JSON.stringify(body);
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) });
  response.end(text);
});
// Longer than any pause of a load generator, so that no connection is closed under a request.
server.keepAliveTimeout = 65_000;

function stop() {
  server.close(() => prisma.$disconnect());
  server.closeIdleConnections();
}
process.once('SIGTERM', stop);
process.once('SIGINT', stop);

// One query before the first request: the query compiler is loaded and the database is known to answer.
await prisma.agent.count();
server.listen(Number(PORT), '127.0.0.1', () => console.log(`listening ${server.address().port}`));
