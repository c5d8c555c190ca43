-- The peer's tables: what Prisma's own migration writes for schema.prisma, so that neither side of the comparison
-- has a schema the other's tool would not make. Run once in an empty database; seed.sql fills it.

CREATE TYPE "AgentStatus" AS ENUM ('ACTIVE', 'SUSPENDED');
CREATE TYPE "ClientStatus" AS ENUM ('ACTIVE', 'ARCHIVED');
CREATE TYPE "QuoteStatus" AS ENUM ('DRAFT', 'SENT', 'ACCEPTED', 'REJECTED', 'EXPIRED', 'CANCELLED');

CREATE TABLE "agents" (
    "id" UUID NOT NULL,
    "userId" UUID NOT NULL,
    "name" TEXT NOT NULL,
    "email" TEXT NOT NULL,
    "status" "AgentStatus" NOT NULL DEFAULT 'ACTIVE',
    "quotesCreated" INTEGER NOT NULL DEFAULT 0,
    "totalRevenue" DOUBLE PRECISION NOT NULL DEFAULT 0,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMP(3) NOT NULL,

    CONSTRAINT "agents_pkey" PRIMARY KEY ("id")
);

CREATE TABLE "clients" (
    "id" UUID NOT NULL,
    "agentId" UUID NOT NULL,
    "firstName" TEXT NOT NULL,
    "lastName" TEXT NOT NULL,
    "email" TEXT NOT NULL,
    "status" "ClientStatus" NOT NULL DEFAULT 'ACTIVE',
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMP(3) NOT NULL,

    CONSTRAINT "clients_pkey" PRIMARY KEY ("id")
);

CREATE TABLE "quotes" (
    "id" UUID NOT NULL,
    "quoteNumber" TEXT NOT NULL,
    "agentId" UUID NOT NULL,
    "clientId" UUID,
    "tripName" TEXT NOT NULL,
    "destination" TEXT NOT NULL,
    "startDate" TIMESTAMP(3) NOT NULL,
    "endDate" TIMESTAMP(3) NOT NULL,
    "duration" INTEGER NOT NULL,
    "adults" INTEGER NOT NULL DEFAULT 1,
    "children" INTEGER NOT NULL DEFAULT 0,
    "infants" INTEGER NOT NULL DEFAULT 0,
    "travelers" INTEGER NOT NULL DEFAULT 1,
    "flights" JSONB NOT NULL DEFAULT '[]',
    "hotels" JSONB NOT NULL DEFAULT '[]',
    "activities" JSONB NOT NULL DEFAULT '[]',
    "transfers" JSONB NOT NULL DEFAULT '[]',
    "carRentals" JSONB NOT NULL DEFAULT '[]',
    "customItems" JSONB NOT NULL DEFAULT '[]',
    "insurance" JSONB,
    "currency" TEXT NOT NULL DEFAULT 'USD',
    "basePrice" DOUBLE PRECISION NOT NULL DEFAULT 0,
    "productMarkup" DOUBLE PRECISION NOT NULL DEFAULT 0,
    "subtotal" DOUBLE PRECISION NOT NULL DEFAULT 0,
    "agentMarkup" DOUBLE PRECISION NOT NULL DEFAULT 0,
    "agentMarkupPercent" DOUBLE PRECISION NOT NULL DEFAULT 15,
    "taxes" DOUBLE PRECISION NOT NULL DEFAULT 0,
    "fees" DOUBLE PRECISION NOT NULL DEFAULT 0,
    "discount" DOUBLE PRECISION NOT NULL DEFAULT 0,
    "total" DOUBLE PRECISION NOT NULL DEFAULT 0,
    "perPerson" DOUBLE PRECISION NOT NULL DEFAULT 0,
    "showCommissionToClient" BOOLEAN NOT NULL DEFAULT false,
    "commissionLabel" TEXT,
    "inclusions" TEXT[],
    "exclusions" TEXT[],
    "importantInfo" TEXT,
    "customNotes" TEXT,
    "agentNotes" TEXT,
    "status" "QuoteStatus" NOT NULL DEFAULT 'DRAFT',
    "version" INTEGER NOT NULL DEFAULT 1,
    "lastModifiedBy" UUID,
    "lastModifiedAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMP(3) NOT NULL,
    "sentAt" TIMESTAMP(3),
    "acceptedAt" TIMESTAMP(3),
    "rejectedAt" TIMESTAMP(3),
    "expiresAt" TIMESTAMP(3),
    "deletedAt" TIMESTAMP(3),

    CONSTRAINT "quotes_pkey" PRIMARY KEY ("id")
);

CREATE TABLE "quote_activities" (
    "id" UUID NOT NULL,
    "quoteId" UUID NOT NULL,
    "agentId" UUID NOT NULL,
    "type" TEXT NOT NULL,
    "description" TEXT NOT NULL,
    "metadata" JSONB,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "quote_activities_pkey" PRIMARY KEY ("id")
);

CREATE TABLE "save_logs" (
    "id" UUID NOT NULL,
    "correlationId" TEXT NOT NULL,
    "operation" TEXT NOT NULL,
    "agentId" UUID,
    "quoteId" UUID,
    "durationMs" INTEGER NOT NULL,
    "status" TEXT NOT NULL,
    "errorCode" TEXT,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "save_logs_pkey" PRIMARY KEY ("id")
);

-- For log-in, the agent's lists, a client's page, the expiry job, a quote's history and support. None on quotes holds a
-- column that a usual save changes, so those updates can be heap-only.
CREATE UNIQUE INDEX "agents_userId_key" ON "agents"("userId");
CREATE UNIQUE INDEX "agents_email_key" ON "agents"("email");
CREATE INDEX "clients_agentId_status_idx" ON "clients"("agentId", "status");
CREATE UNIQUE INDEX "quotes_quoteNumber_key" ON "quotes"("quoteNumber");
CREATE INDEX "quotes_agentId_status_idx" ON "quotes"("agentId", "status");
CREATE INDEX "quotes_agentId_createdAt_idx" ON "quotes"("agentId", "createdAt" DESC);
CREATE INDEX "quotes_clientId_idx" ON "quotes"("clientId");
CREATE INDEX "quotes_status_expiresAt_idx" ON "quotes"("status", "expiresAt");
CREATE INDEX "quote_activities_quoteId_createdAt_idx" ON "quote_activities"("quoteId", "createdAt");
CREATE INDEX "quote_activities_agentId_createdAt_idx" ON "quote_activities"("agentId", "createdAt");
CREATE INDEX "save_logs_correlationId_idx" ON "save_logs"("correlationId");
CREATE INDEX "save_logs_createdAt_idx" ON "save_logs"("createdAt");

-- Delete rules as Prisma sets them when the schema does not say.
ALTER TABLE "clients"
    ADD CONSTRAINT "clients_agentId_fkey" FOREIGN KEY ("agentId") REFERENCES "agents"("id")
    ON DELETE RESTRICT ON UPDATE CASCADE;

ALTER TABLE "quotes"
    ADD CONSTRAINT "quotes_agentId_fkey" FOREIGN KEY ("agentId") REFERENCES "agents"("id")
    ON DELETE RESTRICT ON UPDATE CASCADE;

ALTER TABLE "quotes"
    ADD CONSTRAINT "quotes_clientId_fkey" FOREIGN KEY ("clientId") REFERENCES "clients"("id")
    ON DELETE SET NULL ON UPDATE CASCADE;

ALTER TABLE "quote_activities"
    ADD CONSTRAINT "quote_activities_quoteId_fkey" FOREIGN KEY ("quoteId") REFERENCES "quotes"("id")
    ON DELETE CASCADE ON UPDATE CASCADE;

ALTER TABLE "quote_activities"
    ADD CONSTRAINT "quote_activities_agentId_fkey" FOREIGN KEY ("agentId") REFERENCES "agents"("id")
    ON DELETE RESTRICT ON UPDATE CASCADE;
