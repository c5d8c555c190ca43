-- Adds bench_seed(agents, quotes_each), which fills the peer's tables with rows whose ids can be computed.
--
-- Every id is bench_uuid(kind, agent, quote) = 0000000K-0000-4000-8000-AAAAAAQQQQQQ in hexadecimal, where K is
-- 1 user, 2 agent, 3 client, 4 quote; A counts agents from 1; Q counts the agent's quotes from 1 and is 0 elsewhere.

CREATE OR REPLACE FUNCTION bench_uuid(kind integer, agent integer, quote integer DEFAULT 0)
RETURNS uuid
LANGUAGE sql IMMUTABLE
AS $$
    SELECT (
        lpad(to_hex(kind), 8, '0') || '-0000-4000-8000-' || lpad(to_hex(agent), 6, '0') || lpad(to_hex(quote), 6, '0')
    )::uuid
$$;

-- One call, one transaction. Every quote is a DRAFT at version 1 with 1 flight, 1 hotel and 2 activities, priced as
-- pricing.mjs prices it. Run VACUUM ANALYZE afterwards: a function cannot.
CREATE OR REPLACE FUNCTION bench_seed(agents integer, quotes_each integer)
RETURNS void
LANGUAGE sql
AS $$
    INSERT INTO agents ("id", "userId", "name", "email", "quotesCreated", "updatedAt")
    SELECT bench_uuid(2, a), bench_uuid(1, a), 'Agent ' || a, 'agent' || a || '@example.com', quotes_each,
           CURRENT_TIMESTAMP
    FROM generate_series(1, agents) AS a;

    INSERT INTO clients ("id", "agentId", "firstName", "lastName", "email", "updatedAt")
    SELECT bench_uuid(3, a), bench_uuid(2, a), 'Ada', 'Client ' || a, 'client' || a || '@example.com', CURRENT_TIMESTAMP
    FROM generate_series(1, agents) AS a;

    INSERT INTO quotes (
        "id", "quoteNumber", "agentId", "clientId", "tripName", "destination", "startDate", "endDate", "duration",
        "adults", "travelers", "flights", "hotels", "activities",
        "basePrice", "productMarkup", "subtotal", "agentMarkup", "agentMarkupPercent", "taxes", "fees", "discount",
        "total", "perPerson", "inclusions", "exclusions", "importantInfo", "customNotes", "agentNotes",
        "lastModifiedBy", "updatedAt", "expiresAt"
    )
    SELECT bench_uuid(4, a, q), 'QT-SEED-' || lpad(to_hex(a), 6, '0') || lpad(to_hex(q), 6, '0'),
           bench_uuid(2, a), bench_uuid(3, a), 'Ten days in Portugal', 'Lisbon', '2027-05-01', '2027-05-06', 5,
           2, 2,
           '[{"airline": "TAP Air Portugal", "flightNumber": "TP 1023", "origin": "ZRH", "originCity": "Zurich",
              "destination": "LIS", "destinationCity": "Lisbon", "date": "2027-05-01", "departureTime": "07:25",
              "arrivalTime": "09:20", "duration": "2h 55m", "stops": 0, "cabinClass": "economy", "passengers": 2,
              "price": 450, "priceType": "per_person", "priceAppliesTo": 2}]'::jsonb,
           '[{"name": "Hotel do Chiado", "location": "Rua Nova do Almada 114, Lisbon", "roomType": "Double, river view",
              "stars": 4, "checkIn": "2027-05-01", "checkOut": "2027-05-06", "nights": 5, "guests": 2,
              "amenities": ["breakfast", "wifi", "terrace"], "price": 180, "priceType": "per_night"}]'::jsonb,
           '[{"name": "Walk through Alfama", "location": "Lisbon", "description": "Three hours with a local guide.",
              "duration": "3h", "date": "2027-05-02", "time": "10:00", "participants": 2,
              "includes": ["guide", "tasting"], "price": 60, "priceType": "per_person", "priceAppliesTo": 2},
             {"name": "Day trip to Sintra", "location": "Sintra", "description": "Palaces and gardens by small bus.",
              "duration": "8h", "date": "2027-05-03", "time": "09:00", "participants": 2,
              "includes": ["transport", "tickets"], "price": 75, "priceType": "total"}]'::jsonb,
           1995, 63, 2058, 239.4, 12, 120.5, 35, 50,
           2402.9, 1201.45,
           ARRAY['Flights', 'Hotel with breakfast', 'Guided tours'], ARRAY['Travel insurance', 'Meals'],
           'Passports must be valid for three months after the return.', 'Anniversary trip: a quiet room, please.',
           'Prefers morning flights.', bench_uuid(1, a), CURRENT_TIMESTAMP, CURRENT_TIMESTAMP + interval '7 days'
    FROM generate_series(1, agents) AS a, generate_series(1, quotes_each) AS q;
$$;
