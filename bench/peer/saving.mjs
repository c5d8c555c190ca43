// The save as such systems do it: guards that each ask the database, then an interactive transaction, then a note of
// what happened. Each query below says why it is usually there; together they are the path that the bench measures.

import { randomBytes } from 'node:crypto';

import { Prisma } from '@prisma/client';

import { price } from './pricing.mjs';
import { durationDays, merge, pick, problems, UUID } from './validation.mjs';

const EDITABLE = new Set(['DRAFT', 'REJECTED']);
const EXPIRES_IN_MS = 7 * 24 * 60 * 60 * 1000;
// Wider than Prisma's 2 s and 5 s, so that a busy machine makes answers late rather than wrong.
const TRANSACTION = { maxWait: 5_000, timeout: 10_000 };

/** A refusal that the caller is told about. */
export class Refusal extends Error {
  constructor(status, errorCode, message, details = {}) {
    super(message);
    this.status = status;
    this.errorCode = errorCode;
    this.details = details;
  }
}

/** Saves a new quote and returns it with its client. */
export async function createQuote(prisma, { userId, correlationId, body }) {
  const started = performance.now();

  // 1. Agent by user: the session knows the user, everything below belongs to the agent.
  const agent = await activeAgent(prisma, userId);

  const draft = merge(pick(body));
  refuseProblems(draft);

  // 2. Client by owner: a foreign key alone would accept another agent's client.
  await refuseForeignClient(prisma, agent, draft.clientId);

  const quote = await prisma.$transaction(async (tx) => {
    // 3. The quote, with the client read back, since the screen that follows shows the client's name.
    const created = await tx.quote.create({
      data: {
        ...columns(draft),
        // Random, because counting the year's quotes would be one more query and a race.
        quoteNumber: `QT-${new Date().getFullYear()}-${randomBytes(5).toString('hex').toUpperCase()}`,
        agentId: agent.id,
        expiresAt: new Date(Date.now() + EXPIRES_IN_MS),
        lastModifiedBy: userId,
      },
      include: { client: true },
    });
    // 4. The counter on the agent, which the dashboard of such a system shows without counting.
    await tx.agent.update({ where: { id: agent.id }, data: { quotesCreated: { increment: 1 } } });
    // 5. The activity, in the transaction so that no quote is without its first entry.
    await tx.quoteActivity.create({
      data: {
        quoteId: created.id,
        agentId: agent.id,
        type: 'CREATED',
        description: `Created ${created.quoteNumber}`,
        metadata: { version: created.version, total: created.total },
      },
    });
    return created;
  }, TRANSACTION);

  // 6. The log row, after the commit so that a failing log cannot undo a save.
  await prisma.saveLog.create({
    data: {
      correlationId,
      operation: 'CREATE',
      agentId: agent.id,
      quoteId: quote.id,
      durationMs: Math.round(performance.now() - started),
      status: 'SUCCESS',
    },
  });
  return quote;
}

/** Saves changed fields of a quote that the caller last saw at `body.version`, and returns the quote. */
export async function updateQuote(prisma, { userId, quoteId, body }) {
  // 1. Agent by user, as above.
  const agent = await activeAgent(prisma, userId);

  const expectedVersion = body.version;
  if (!Number.isInteger(expectedVersion) || expectedVersion < 1) {
    throw new Refusal(400, 'QUOTE_VALIDATION_FAILED', 'The version you last saw is required.');
  }
  refuseUnknownId(quoteId);

  // 2. The state guard: a function of its own that sending and deleting use too, hence its own read.
  const state = await prisma.quote.findFirst({ where: { id: quoteId, agentId: agent.id }, select: { status: true } });
  refuseMissing(state);
  refuseUneditable(state.status);

  // 3. The version guard, likewise: it answers most conflicts before the costly part begins.
  const seen = await prisma.quote.findUnique({ where: { id: quoteId }, select: { version: true } });
  refuseMissing(seen);
  refuseStale(expectedVersion, seen.version);

  // 4. The current quote: a PATCH names only what changes, and prices are made from the whole.
  const current = await prisma.quote.findFirst({ where: { id: quoteId, agentId: agent.id } });
  refuseMissing(current);
  const sent = pick(body);
  const merged = merge(sent, current);
  refuseProblems(merged);
  // Another client is the exception, so its check is too.
  if (merged.clientId !== current.clientId) await refuseForeignClient(prisma, agent, merged.clientId);

  const quote = await prisma.$transaction(async (tx) => {
    // 5. Find by id and compare here: this is meant as the optimistic lock.
    const locked = await tx.quote.findUnique({ where: { id: quoteId } });
    refuseMissing(locked);
    refuseStale(expectedVersion, locked.version);
    // 6. Update by id. At the default READ COMMITTED nothing holds the row between the two statements, and the WHERE
    //    does not name the version: two savers that both compared successfully both write, and the second one's row
    //    stands. Both are told that they saved. That is the loss which the bench shows.
    return tx.quote.update({
      where: { id: quoteId },
      data: {
        ...columns(merged),
        version: locked.version + 1,
        lastModifiedBy: userId,
        lastModifiedAt: new Date(),
      },
    });
  }, TRANSACTION);

  // 7. The activity, after the commit: a history entry is not worth failing a save for.
  await prisma.quoteActivity.create({
    data: {
      quoteId,
      agentId: agent.id,
      type: 'UPDATED',
      description: `Updated ${quote.quoteNumber}`,
      metadata: { version: quote.version, total: quote.total, fields: Object.keys(sent) },
    },
  });
  return quote;
}

/** Returns one of the agent's quotes with its client. */
export async function readQuote(prisma, { userId, quoteId }) {
  const agent = await activeAgent(prisma, userId);
  refuseUnknownId(quoteId);
  const quote = await prisma.quote.findFirst({ where: { id: quoteId, agentId: agent.id }, include: { client: true } });
  refuseMissing(quote);
  return quote;
}

async function activeAgent(prisma, userId) {
  if (!UUID.test(userId ?? '')) throw new Refusal(401, 'AUTHENTICATION_FAILED', 'Log in first.');
  const agent = await prisma.agent.findUnique({ where: { userId } });
  if (!agent) throw new Refusal(404, 'AGENT_NOT_FOUND', 'This user has no agent profile.');
  if (agent.status !== 'ACTIVE') throw new Refusal(403, 'AUTHORIZATION_FAILED', 'This agent is suspended.');
  return agent;
}

async function refuseForeignClient(prisma, agent, clientId) {
  if (clientId === null) return;
  const client = await prisma.client.findFirst({ where: { id: clientId, agentId: agent.id, status: 'ACTIVE' } });
  if (!client) throw new Refusal(404, 'CLIENT_NOT_FOUND', 'Choose another client.');
}

function refuseProblems(quote) {
  const errors = problems(quote);
  if (errors.length > 0) throw new Refusal(400, 'QUOTE_VALIDATION_FAILED', 'Some fields are wrong.', { errors });
}

function refuseUnknownId(quoteId) {
  if (!UUID.test(quoteId)) refuseMissing(null);
}

function refuseMissing(quote) {
  if (!quote) throw new Refusal(404, 'QUOTE_NOT_FOUND', 'There is no such quote.');
}

function refuseUneditable(status) {
  if (status === 'SENT') throw new Refusal(409, 'QUOTE_ALREADY_SENT', 'A sent quote cannot be changed.');
  if (!EDITABLE.has(status)) {
    throw new Refusal(409, 'QUOTE_STATE_INVALID', `A quote that is ${status} cannot be changed.`);
  }
}

function refuseStale(expectedVersion, actualVersion) {
  if (expectedVersion !== actualVersion) {
    throw new Refusal(409, 'QUOTE_CONFLICT_VERSION', 'Someone saved this quote since; reload it.', {
      expectedVersion,
      actualVersion,
    });
  }
}

/** Returns what is stored of a complete quote: its fields, what follows from them, and the price. */
function columns(quote) {
  const amounts = price(quote);
  if (amounts.total < 0) throw new Refusal(400, 'PRICING_VALIDATION_FAILED', 'The total is below 0.');
  return {
    ...quote,
    // Prisma tells a JSON null from an SQL NULL; this is the latter.
    insurance: quote.insurance ?? Prisma.DbNull,
    duration: durationDays(quote),
    ...amounts,
  };
}
