-- The migrated database, as pg_dump writes it. Changed by the migrations, written by
-- python -m tests.golden.regenerate, compared by tests/database/test_schema.py.

CREATE FUNCTION public.attempt_fault(operation smallint, outcome smallint, error_code smallint, correlation_id text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE
    AS $$
BEGIN
    RETURN CASE
        WHEN NOT (operation BETWEEN 1 AND 7) THEN 'operation_known'
        WHEN NOT (outcome BETWEEN 1 AND 6) THEN 'outcome_known'
        WHEN NOT ((outcome IN (1, 2)) = (error_code IS NULL)) THEN 'refusal_has_code'
        WHEN NOT (correlation_id <> '') THEN 'correlation_given'
    END;
END
$$;

CREATE FUNCTION public.quote_fault(q anyelement) RETURNS text
    LANGUAGE plpgsql IMMUTABLE
    AS $$
BEGIN
    RETURN CASE
        WHEN NOT (q.version >= 1) THEN 'version_positive'
        WHEN NOT (q.status IN ('DRAFT', 'SENT', 'ACCEPTED', 'REJECTED', 'EXPIRED', 'CANCELLED'))
            THEN 'status_known'
        WHEN NOT ((q.status = 'CANCELLED') = (q.deleted_at IS NOT NULL))
            THEN 'deleted_is_cancelled'
        WHEN NOT (q.sent_at IS NOT NULL OR q.status IN ('DRAFT', 'CANCELLED'))
            THEN 'sent_has_instant'
        WHEN NOT (q.accepted_at IS NOT NULL OR q.status <> 'ACCEPTED')
            THEN 'accepted_has_instant'
        WHEN NOT (q.rejected_at IS NOT NULL OR q.status <> 'REJECTED')
            THEN 'rejected_has_instant'
        WHEN NOT (q.adults >= 1 AND q.children >= 0 AND q.infants >= 0
            AND q.travelers = q.adults + q.children + q.infants AND q.travelers <= 50)
            THEN 'travelers_add_up'
        WHEN NOT (q.end_date > q.start_date AND q.duration_days BETWEEN 1 AND 365)
            THEN 'dates_in_order'
        WHEN NOT (q.currency IN ('USD', 'EUR', 'GBP', 'CAD', 'AUD', 'CHF', 'JPY'))
            THEN 'currency_known'
        WHEN NOT (least(q.base_price, q.product_markup, q.agent_markup, q.taxes, q.fees, q.discount,
                q.total, q.per_person) >= 0
            AND greatest(q.base_price, q.product_markup, q.agent_markup, q.taxes, q.fees,
                q.discount, q.total, q.per_person) < 'Infinity'
            AND q.agent_markup_percent BETWEEN 0 AND 100)
            THEN 'amounts_in_bounds'
        WHEN NOT (q.subtotal = q.base_price + q.product_markup
            AND q.total = q.subtotal + q.agent_markup + q.taxes + q.fees - q.discount)
            THEN 'total_adds_up'
    END;
END
$$;

CREATE TABLE public.account (
    id uuid NOT NULL,
    email text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    name text,
    role text,
    disabled_at timestamp with time zone,
    signed_out_at timestamp with time zone,
    issuer text,
    subject text,
    CONSTRAINT account_email_given CHECK ((email <> ''::text)),
    CONSTRAINT account_role_known CHECK ((role = ANY (ARRAY['viewer'::text, 'on-call'::text, 'lead'::text, 'admin'::text]))),
    CONSTRAINT account_subject_has_issuer CHECK (((issuer IS NULL) = (subject IS NULL)))
);

CREATE TABLE public.account_password (
    account_id uuid NOT NULL,
    password_hash text NOT NULL,
    changed_at timestamp with time zone NOT NULL,
    CONSTRAINT account_password_is_argon2 CHECK ((password_hash ~~ '$argon2id$%'::text))
);

CREATE TABLE public.agent (
    id uuid NOT NULL,
    account_id uuid NOT NULL,
    name text NOT NULL,
    email text NOT NULL,
    status text NOT NULL,
    max_active_quotes integer NOT NULL,
    rate_limit_per_minute integer,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT agent_quota_not_negative CHECK ((max_active_quotes >= 0)),
    CONSTRAINT agent_rate_limit_positive CHECK ((rate_limit_per_minute > 0)),
    CONSTRAINT agent_status_known CHECK ((status = ANY (ARRAY['ACTIVE'::text, 'SUSPENDED'::text])))
);

CREATE TABLE public.alembic_version (
    version_num character varying(32) NOT NULL
);

CREATE TABLE public.alert (
    id uuid NOT NULL,
    rule_id text NOT NULL,
    severity text NOT NULL,
    error_code text NOT NULL,
    environment text NOT NULL,
    correlation_id text NOT NULL,
    message text NOT NULL,
    numbers jsonb NOT NULL,
    fired_at timestamp with time zone NOT NULL,
    told_at timestamp with time zone,
    resolved_at timestamp with time zone,
    acknowledged_at timestamp with time zone,
    acknowledged_by text,
    disposition text,
    remark text,
    muted_by jsonb
);

CREATE TABLE public.alert_delivery (
    outbox_id uuid NOT NULL,
    number integer NOT NULL,
    started_at timestamp with time zone NOT NULL,
    ended_at timestamp with time zone NOT NULL,
    result text NOT NULL,
    reason text,
    status integer,
    answer text
);

CREATE TABLE public.alert_heartbeat (
    id integer NOT NULL,
    tick bigint NOT NULL,
    sent_at timestamp with time zone NOT NULL,
    acknowledged_at timestamp with time zone,
    reason text,
    CONSTRAINT alert_heartbeat_one CHECK ((id = 1))
);

CREATE TABLE public.alert_outbox (
    id uuid NOT NULL,
    alert_id uuid NOT NULL,
    kind text NOT NULL,
    channel text NOT NULL,
    escalates_to text[] NOT NULL,
    urgency smallint NOT NULL,
    body jsonb NOT NULL,
    made_at timestamp with time zone NOT NULL,
    state text NOT NULL,
    tries integer NOT NULL,
    next_at timestamp with time zone,
    claimed_by text,
    claimed_until timestamp with time zone,
    reason text,
    answer text,
    receipt text,
    ended_at timestamp with time zone,
    is_perhaps_repeated boolean NOT NULL,
    nonce text,
    echoed_at timestamp with time zone,
    echoed_by text,
    CONSTRAINT alert_outbox_kind_known CHECK ((kind = ANY (ARRAY['firing'::text, 'repeat'::text, 'resolved'::text, 'test'::text, 'note'::text]))),
    CONSTRAINT alert_outbox_state_known CHECK ((state = ANY (ARRAY['waiting'::text, 'sending'::text, 'delivered'::text, 'failed'::text, 'not configured'::text, 'dropped'::text])))
);

CREATE TABLE public.alert_rule_change (
    id uuid NOT NULL,
    rule_id text NOT NULL,
    made_at timestamp with time zone NOT NULL,
    made_by text NOT NULL,
    account_id uuid,
    reason text NOT NULL,
    body jsonb NOT NULL
);

CREATE TABLE public.alert_silence (
    id uuid NOT NULL,
    matcher jsonb NOT NULL,
    reason text NOT NULL,
    made_at timestamp with time zone NOT NULL,
    made_by text NOT NULL,
    account_id uuid,
    expires_at timestamp with time zone NOT NULL,
    ended_at timestamp with time zone,
    ended_by text,
    CONSTRAINT alert_silence_ends CHECK ((expires_at > made_at)),
    CONSTRAINT alert_silence_reason_given CHECK ((reason <> ''::text))
);

CREATE TABLE public.alert_state (
    rule_id text NOT NULL,
    state text NOT NULL,
    since timestamp with time zone NOT NULL,
    true_since timestamp with time zone,
    last_true timestamp with time zone,
    unknown_since timestamp with time zone,
    alert_id uuid,
    is_no_data boolean NOT NULL,
    tick bigint NOT NULL,
    reason text NOT NULL,
    numbers jsonb NOT NULL,
    CONSTRAINT alert_state_known CHECK ((state = ANY (ARRAY['inactive'::text, 'pending'::text, 'firing'::text, 'resolved'::text, 'unknown'::text])))
);

CREATE TABLE public.alert_tick (
    number bigint NOT NULL,
    due_at timestamp with time zone NOT NULL,
    started_at timestamp with time zone NOT NULL,
    ended_at timestamp with time zone NOT NULL,
    instance text NOT NULL,
    release text NOT NULL,
    rules_digest bytea NOT NULL,
    rules integer NOT NULL,
    unknown integer NOT NULL,
    firing integer NOT NULL,
    CONSTRAINT alert_tick_number_positive CHECK ((number > 0))
);

CREATE TABLE public.alert_transition (
    id uuid NOT NULL,
    rule_id text NOT NULL,
    tick bigint,
    happened_at timestamp with time zone NOT NULL,
    before text NOT NULL,
    after text NOT NULL,
    alert_id uuid,
    reason text NOT NULL,
    numbers jsonb NOT NULL,
    correlation_id text NOT NULL,
    muted_by jsonb
);

CREATE TABLE public.alert_watcher (
    process_id uuid NOT NULL,
    instance text NOT NULL,
    seen_at timestamp with time zone NOT NULL,
    spooled integer NOT NULL,
    still_since timestamp with time zone,
    ended_at timestamp with time zone
);

CREATE TABLE public.api_key (
    id uuid NOT NULL,
    account_id uuid NOT NULL,
    key_hash bytea NOT NULL,
    created_at timestamp with time zone NOT NULL,
    revoked_at timestamp with time zone,
    name text,
    scope text DEFAULT 'write'::text NOT NULL,
    expires_at timestamp with time zone,
    last_used_at timestamp with time zone,
    replaced_by uuid,
    CONSTRAINT api_key_hash_is_sha256 CHECK ((octet_length(key_hash) = 32)),
    CONSTRAINT api_key_scope_known CHECK ((scope = ANY (ARRAY['read'::text, 'write'::text])))
);

CREATE TABLE public.attempt (
    agent_id uuid NOT NULL,
    started_at timestamp with time zone NOT NULL,
    id uuid NOT NULL,
    quote_id uuid,
    client_id uuid,
    origin_id bigint NOT NULL,
    duration_us integer NOT NULL,
    database_us integer NOT NULL,
    expected_version integer,
    actual_version integer,
    operation smallint NOT NULL,
    outcome smallint NOT NULL,
    error_code smallint,
    severity smallint,
    http_status smallint,
    retries smallint NOT NULL,
    path smallint NOT NULL,
    source smallint NOT NULL,
    retryable boolean,
    correlation_id text NOT NULL,
    traceparent text,
    payload_hash bytea,
    changed_fields text,
    idempotency_key text,
    txid bigint DEFAULT txid_current(),
    CONSTRAINT attempt_is_sound CHECK ((public.attempt_fault(operation, outcome, error_code, correlation_id) IS NULL))
)
PARTITION BY RANGE (started_at);

CREATE TABLE public.attempt_default (
    agent_id uuid NOT NULL,
    started_at timestamp with time zone NOT NULL,
    id uuid NOT NULL,
    quote_id uuid,
    client_id uuid,
    origin_id bigint NOT NULL,
    duration_us integer NOT NULL,
    database_us integer NOT NULL,
    expected_version integer,
    actual_version integer,
    operation smallint NOT NULL,
    outcome smallint NOT NULL,
    error_code smallint,
    severity smallint,
    http_status smallint,
    retries smallint NOT NULL,
    path smallint NOT NULL,
    source smallint NOT NULL,
    retryable boolean,
    correlation_id text NOT NULL,
    traceparent text,
    payload_hash bytea,
    changed_fields text,
    idempotency_key text,
    txid bigint DEFAULT txid_current(),
    CONSTRAINT attempt_is_sound CHECK ((public.attempt_fault(operation, outcome, error_code, correlation_id) IS NULL))
);

CREATE TABLE public.attempt_queue (
    agent_id uuid NOT NULL,
    started_at timestamp with time zone NOT NULL,
    id uuid NOT NULL,
    origin_id bigint NOT NULL,
    duration_us integer NOT NULL,
    database_us integer NOT NULL,
    operation smallint NOT NULL,
    outcome smallint NOT NULL,
    error_code smallint,
    retries smallint NOT NULL,
    path smallint NOT NULL,
    source smallint NOT NULL
)
WITH (autovacuum_vacuum_scale_factor='0.02');

CREATE TABLE public.attempt_rollup (
    tier smallint NOT NULL,
    bucket timestamp with time zone NOT NULL,
    operation smallint NOT NULL,
    traffic smallint NOT NULL,
    path smallint NOT NULL,
    attempts integer NOT NULL,
    outcomes integer[] NOT NULL,
    codes smallint[] NOT NULL,
    code_counts integer[] NOT NULL,
    retried integer NOT NULL,
    at_edge integer NOT NULL,
    timed integer NOT NULL,
    over_p95 integer NOT NULL,
    over_p99 integer NOT NULL,
    duration_us bigint NOT NULL,
    database_us bigint NOT NULL,
    longest_us integer NOT NULL,
    slots smallint[] NOT NULL,
    slot_counts integer[] NOT NULL
)
WITH (fillfactor='80', autovacuum_vacuum_scale_factor='0.02');

CREATE TABLE public.audit_event (
    id uuid NOT NULL,
    happened_at timestamp with time zone NOT NULL,
    action text NOT NULL,
    outcome text NOT NULL,
    error_code text,
    account_id uuid,
    actor text NOT NULL,
    way text NOT NULL,
    address text,
    subject_kind text,
    subject_id text,
    correlation_id text NOT NULL,
    details jsonb NOT NULL,
    CONSTRAINT audit_event_correlation_given CHECK ((correlation_id <> ''::text)),
    CONSTRAINT audit_event_outcome_known CHECK ((outcome = ANY (ARRAY['done'::text, 'refused'::text]))),
    CONSTRAINT audit_event_refusal_has_code CHECK (((outcome = 'refused'::text) = (error_code IS NOT NULL)))
);

CREATE TABLE public.client (
    agent_id uuid NOT NULL,
    id uuid NOT NULL,
    first_name text NOT NULL,
    last_name text NOT NULL,
    email text NOT NULL,
    status text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT client_status_known CHECK ((status = ANY (ARRAY['ACTIVE'::text, 'ARCHIVED'::text])))
);

CREATE TABLE public.dropped_partition (
    name text NOT NULL,
    day date,
    rows bigint,
    detached_at timestamp with time zone NOT NULL,
    dropped_at timestamp with time zone
);

CREATE TABLE public.edge_count (
    bucket timestamp with time zone NOT NULL,
    process_id uuid NOT NULL,
    origin_id bigint NOT NULL,
    arrivals integer NOT NULL,
    left_early integer NOT NULL
);

CREATE TABLE public.idempotency_key (
    agent_id uuid NOT NULL,
    key text NOT NULL,
    fingerprint bytea NOT NULL,
    attempt_id uuid NOT NULL,
    quote_id uuid NOT NULL,
    version integer NOT NULL,
    http_status smallint NOT NULL,
    response bytea NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    CONSTRAINT idempotency_key_is_sha256 CHECK ((octet_length(fingerprint) = 32))
);

CREATE TABLE public.installation (
    is_only boolean NOT NULL,
    id uuid NOT NULL,
    CONSTRAINT installation_is_one CHECK (is_only)
);

CREATE TABLE public.origin (
    id bigint NOT NULL,
    environment text NOT NULL,
    release text NOT NULL,
    instance text NOT NULL,
    first_seen_at timestamp with time zone NOT NULL,
    has_edge boolean DEFAULT false NOT NULL
);

CREATE VIEW public.ledger AS
 SELECT a.id,
    a.correlation_id,
    a.traceparent,
    (ARRAY['CREATE'::text, 'UPDATE'::text, 'DELETE'::text, 'SEND'::text, 'ACCEPT'::text, 'REJECT'::text, 'EXPIRE'::text])[a.operation] AS operation,
    (ARRAY['committed'::text, 'replayed'::text, 'rejected'::text, 'conflict'::text, 'failed'::text, 'indeterminate'::text])[a.outcome] AS outcome,
    (ARRAY['QUOTE_VALIDATION_FAILED'::text, 'QUOTE_STATE_INVALID'::text, 'QUOTE_CONFLICT_VERSION'::text, 'QUOTE_ALREADY_SENT'::text, 'QUOTE_PERSISTENCE_FAILED'::text, 'DATABASE_TIMEOUT'::text, 'DATABASE_TRANSACTION_ABORTED'::text, 'AUTHENTICATION_FAILED'::text, 'AUTHORIZATION_FAILED'::text, 'CLIENT_NOT_FOUND'::text, 'AGENT_NOT_FOUND'::text, 'QUOTE_NOT_FOUND'::text, 'PRICING_VALIDATION_FAILED'::text, 'CURRENCY_INVALID'::text, 'ITEMS_INCONSISTENT'::text, 'QUOTA_EXCEEDED'::text, 'RATE_LIMIT_EXCEEDED'::text, 'INTERNAL_ERROR'::text])[a.error_code] AS error_code,
    (ARRAY['INFO'::text, 'WARN'::text, 'HIGH'::text, 'CRITICAL'::text])[a.severity] AS severity,
    a.retryable,
    a.http_status,
    a.quote_id,
    a.agent_id,
    a.client_id,
    a.expected_version,
    a.actual_version,
    a.started_at,
    a.duration_us,
    a.database_us,
    a.retries,
    a.payload_hash,
    string_to_array(a.changed_fields, ','::text) AS changed_fields,
    a.idempotency_key,
    (ARRAY['hardened'::text, 'legacy'::text])[a.path] AS path,
    (ARRAY['live'::text, 'synthetic'::text, 'drill'::text, 'load'::text])[a.source] AS source,
    o.environment,
    o.release,
    o.instance
   FROM (public.attempt a
     LEFT JOIN public.origin o ON ((o.id = a.origin_id)));

CREATE UNLOGGED TABLE public.limit_window (
    key text NOT NULL,
    moments timestamp with time zone[] NOT NULL,
    counts integer[] NOT NULL,
    is_granted boolean NOT NULL,
    expires_at timestamp with time zone NOT NULL
);

CREATE TABLE public.line_count (
    bucket timestamp with time zone NOT NULL,
    process_id uuid NOT NULL,
    origin_id bigint NOT NULL,
    written integer NOT NULL,
    lost integer NOT NULL
);

CREATE TABLE public.quote (
    agent_id uuid NOT NULL,
    id uuid NOT NULL,
    quote_number text NOT NULL,
    client_id uuid,
    trip_name text NOT NULL,
    destination text NOT NULL,
    start_date timestamp with time zone NOT NULL,
    end_date timestamp with time zone NOT NULL,
    duration_days integer NOT NULL,
    adults integer NOT NULL,
    children integer NOT NULL,
    infants integer NOT NULL,
    travelers integer NOT NULL,
    flights jsonb NOT NULL,
    hotels jsonb NOT NULL,
    activities jsonb NOT NULL,
    transfers jsonb NOT NULL,
    car_rentals jsonb NOT NULL,
    custom_items jsonb NOT NULL,
    insurance jsonb,
    currency text NOT NULL,
    base_price numeric NOT NULL,
    product_markup numeric NOT NULL,
    subtotal numeric NOT NULL,
    agent_markup numeric NOT NULL,
    agent_markup_percent numeric NOT NULL,
    taxes numeric NOT NULL,
    fees numeric NOT NULL,
    discount numeric NOT NULL,
    total numeric NOT NULL,
    per_person numeric NOT NULL,
    pricing_policy text NOT NULL,
    show_commission_to_client boolean NOT NULL,
    commission_label text,
    inclusions jsonb NOT NULL,
    exclusions jsonb NOT NULL,
    important_info text,
    custom_notes text,
    agent_notes text,
    expires_in_days integer NOT NULL,
    status text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    sent_at timestamp with time zone,
    accepted_at timestamp with time zone,
    rejected_at timestamp with time zone,
    expires_at timestamp with time zone NOT NULL,
    deleted_at timestamp with time zone,
    version integer DEFAULT 1 NOT NULL,
    last_modified_by text DEFAULT 'unknown'::text NOT NULL,
    last_modified_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT quote_is_sound CHECK ((public.quote_fault(quote.*) IS NULL))
);

CREATE TABLE public.quote_number_block (
    agent_id uuid NOT NULL,
    year integer NOT NULL,
    given integer NOT NULL,
    CONSTRAINT quote_number_block_given_not_negative CHECK ((given >= 0))
);

CREATE TABLE public.quote_revision (
    agent_id uuid NOT NULL,
    quote_id uuid NOT NULL,
    version integer NOT NULL,
    operation smallint NOT NULL,
    modified_by text NOT NULL,
    modified_at timestamp with time zone NOT NULL,
    correlation_id text,
    attempt_id uuid,
    attempt_started_at timestamp with time zone,
    changed_fields text NOT NULL,
    detail jsonb,
    snapshot jsonb NOT NULL,
    CONSTRAINT quote_revision_attempt_whole CHECK (((attempt_id IS NULL) = (attempt_started_at IS NULL))),
    CONSTRAINT quote_revision_version_positive CHECK ((version >= 1))
);

CREATE TABLE public.readiness_record (
    id uuid NOT NULL,
    release_id uuid NOT NULL,
    kind text NOT NULL,
    item_id text,
    phase_id text,
    recorded_at timestamp with time zone NOT NULL,
    recorded_by text NOT NULL,
    account_id uuid,
    body text NOT NULL,
    digest bytea NOT NULL,
    CONSTRAINT readiness_record_digest_is_sha256 CHECK ((octet_length(digest) = 32)),
    CONSTRAINT readiness_record_kind_known CHECK ((kind = ANY (ARRAY['release'::text, 'deployment'::text, 'evidence'::text, 'contradiction'::text, 'waiver'::text, 'n/a'::text, 'second'::text, 'sign-off'::text, 'revocation'::text, 'contacts'::text, 'risks'::text, 'feedback'::text, 'disposition'::text])))
);

CREATE TABLE public.readiness_seal (
    number bigint NOT NULL,
    sealed_at timestamp with time zone NOT NULL,
    count bigint NOT NULL,
    previous bytea NOT NULL,
    head bytea NOT NULL,
    signature bytea NOT NULL,
    CONSTRAINT readiness_seal_number_positive CHECK ((number > 0))
);

CREATE TABLE public.readiness_sealed (
    record_id uuid NOT NULL,
    seal_number bigint NOT NULL,
    place integer NOT NULL
);

CREATE TABLE public.rollup_state (
    id smallint NOT NULL,
    feed text NOT NULL,
    snapshot text,
    p95_limit_us integer NOT NULL,
    p99_limit_us integer NOT NULL,
    rolled bigint NOT NULL,
    runs bigint NOT NULL,
    rolled_at timestamp with time zone,
    txid_offset bigint DEFAULT 0 NOT NULL,
    is_stale boolean DEFAULT false NOT NULL,
    CONSTRAINT rollup_state_feed_known CHECK ((feed = ANY (ARRAY['snapshot'::text, 'queue'::text]))),
    CONSTRAINT rollup_state_is_one CHECK ((id = 1))
);

CREATE TABLE public.schema_change (
    revision text NOT NULL,
    direction text NOT NULL,
    ran_at timestamp with time zone NOT NULL,
    ran_by text NOT NULL,
    duration_us bigint NOT NULL,
    checksum bytea NOT NULL,
    CONSTRAINT schema_change_checksum_is_sha256 CHECK ((octet_length(checksum) = 32)),
    CONSTRAINT schema_change_direction_known CHECK ((direction = ANY (ARRAY['up'::text, 'down'::text])))
);

CREATE TABLE public.sign_in (
    token_hash bytea NOT NULL,
    account_id uuid NOT NULL,
    method text NOT NULL,
    began_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    ended_at timestamp with time zone,
    address text,
    CONSTRAINT sign_in_method_known CHECK ((method = ANY (ARRAY['password'::text, 'oidc'::text]))),
    CONSTRAINT sign_in_token_is_sha256 CHECK ((octet_length(token_hash) = 32))
);

ALTER TABLE ONLY public.attempt ATTACH PARTITION public.attempt_default DEFAULT;

ALTER TABLE ONLY public.account_password
    ADD CONSTRAINT account_password_pkey PRIMARY KEY (account_id);

ALTER TABLE ONLY public.account
    ADD CONSTRAINT account_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.agent
    ADD CONSTRAINT agent_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);

ALTER TABLE ONLY public.alert_delivery
    ADD CONSTRAINT alert_delivery_pkey PRIMARY KEY (outbox_id, number);

ALTER TABLE ONLY public.alert_heartbeat
    ADD CONSTRAINT alert_heartbeat_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.alert_outbox
    ADD CONSTRAINT alert_outbox_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.alert
    ADD CONSTRAINT alert_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.alert_rule_change
    ADD CONSTRAINT alert_rule_change_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.alert_silence
    ADD CONSTRAINT alert_silence_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.alert_state
    ADD CONSTRAINT alert_state_pkey PRIMARY KEY (rule_id);

ALTER TABLE ONLY public.alert_tick
    ADD CONSTRAINT alert_tick_pkey PRIMARY KEY (number);

ALTER TABLE ONLY public.alert_transition
    ADD CONSTRAINT alert_transition_once_a_tick UNIQUE (rule_id, tick);

ALTER TABLE ONLY public.alert_transition
    ADD CONSTRAINT alert_transition_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.alert_watcher
    ADD CONSTRAINT alert_watcher_pkey PRIMARY KEY (process_id);

ALTER TABLE ONLY public.api_key
    ADD CONSTRAINT api_key_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.attempt
    ADD CONSTRAINT attempt_pkey PRIMARY KEY (agent_id, started_at, id);

ALTER TABLE ONLY public.attempt_default
    ADD CONSTRAINT attempt_default_pkey PRIMARY KEY (agent_id, started_at, id);

ALTER TABLE ONLY public.attempt_queue
    ADD CONSTRAINT attempt_queue_pkey PRIMARY KEY (agent_id, started_at, id);

ALTER TABLE ONLY public.attempt_rollup
    ADD CONSTRAINT attempt_rollup_pkey PRIMARY KEY (tier, bucket, operation, traffic, path);

ALTER TABLE ONLY public.audit_event
    ADD CONSTRAINT audit_event_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.client
    ADD CONSTRAINT client_pkey PRIMARY KEY (agent_id, id);

ALTER TABLE ONLY public.dropped_partition
    ADD CONSTRAINT dropped_partition_pkey PRIMARY KEY (name, detached_at);

ALTER TABLE ONLY public.edge_count
    ADD CONSTRAINT edge_count_pkey PRIMARY KEY (bucket, process_id);

ALTER TABLE ONLY public.idempotency_key
    ADD CONSTRAINT idempotency_key_pkey PRIMARY KEY (agent_id, key);

ALTER TABLE ONLY public.installation
    ADD CONSTRAINT installation_pkey PRIMARY KEY (is_only);

ALTER TABLE ONLY public.limit_window
    ADD CONSTRAINT limit_window_pkey PRIMARY KEY (key);

ALTER TABLE ONLY public.line_count
    ADD CONSTRAINT line_count_pkey PRIMARY KEY (bucket, process_id);

ALTER TABLE ONLY public.origin
    ADD CONSTRAINT origin_name_key UNIQUE (environment, release, instance);

ALTER TABLE ONLY public.origin
    ADD CONSTRAINT origin_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.quote_number_block
    ADD CONSTRAINT quote_number_block_pkey PRIMARY KEY (agent_id, year);

ALTER TABLE ONLY public.quote
    ADD CONSTRAINT quote_number_key UNIQUE (agent_id, quote_number);

ALTER TABLE ONLY public.quote
    ADD CONSTRAINT quote_pkey PRIMARY KEY (agent_id, id);

ALTER TABLE ONLY public.quote_revision
    ADD CONSTRAINT quote_revision_pkey PRIMARY KEY (agent_id, quote_id, version);

ALTER TABLE ONLY public.readiness_record
    ADD CONSTRAINT readiness_record_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.readiness_seal
    ADD CONSTRAINT readiness_seal_pkey PRIMARY KEY (number);

ALTER TABLE ONLY public.readiness_seal
    ADD CONSTRAINT readiness_seal_previous_key UNIQUE (previous);

ALTER TABLE ONLY public.readiness_sealed
    ADD CONSTRAINT readiness_sealed_pkey PRIMARY KEY (record_id);

ALTER TABLE ONLY public.readiness_sealed
    ADD CONSTRAINT readiness_sealed_place_key UNIQUE (seal_number, place);

ALTER TABLE ONLY public.rollup_state
    ADD CONSTRAINT rollup_state_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.schema_change
    ADD CONSTRAINT schema_change_pkey PRIMARY KEY (revision, ran_at);

ALTER TABLE ONLY public.sign_in
    ADD CONSTRAINT sign_in_pkey PRIMARY KEY (token_hash);

CREATE UNIQUE INDEX account_email_key ON public.account USING btree (lower(email));

CREATE UNIQUE INDEX account_subject_key ON public.account USING btree (issuer, subject) WHERE (subject IS NOT NULL);

CREATE UNIQUE INDEX agent_account_key ON public.agent USING btree (account_id);

CREATE INDEX alert_fired_idx ON public.alert USING btree (fired_at, id);

CREATE INDEX alert_open_idx ON public.alert USING btree (rule_id) WHERE (resolved_at IS NULL);

CREATE INDEX alert_outbox_alert_idx ON public.alert_outbox USING btree (alert_id);

CREATE INDEX alert_outbox_came_to_idx ON public.alert_outbox USING btree (channel, state, ended_at, made_at) INCLUDE (is_perhaps_repeated);

CREATE INDEX alert_outbox_due_idx ON public.alert_outbox USING btree (channel, urgency DESC, next_at) WHERE (state = ANY (ARRAY['waiting'::text, 'sending'::text, 'not configured'::text]));

CREATE INDEX alert_outbox_made_idx ON public.alert_outbox USING btree (made_at, id);

CREATE INDEX alert_outbox_others_idx ON public.alert_outbox USING gin (((body -> 'others'::text)));

CREATE INDEX alert_outbox_tests_idx ON public.alert_outbox USING btree (channel, made_at DESC, id DESC) WHERE (kind = 'test'::text);

CREATE INDEX alert_rule_change_rule_idx ON public.alert_rule_change USING btree (rule_id, made_at);

CREATE INDEX alert_tick_started_idx ON public.alert_tick USING btree (started_at);

CREATE INDEX alert_transition_correlation_idx ON public.alert_transition USING btree (correlation_id);

CREATE INDEX alert_transition_happened_idx ON public.alert_transition USING btree (happened_at, id);

CREATE INDEX api_key_account_idx ON public.api_key USING btree (account_id);

CREATE UNIQUE INDEX api_key_hash_key ON public.api_key USING btree (key_hash);

CREATE INDEX attempt_correlation_idx ON ONLY public.attempt USING btree (correlation_id text_pattern_ops);

CREATE INDEX attempt_default_correlation_id_idx ON public.attempt_default USING btree (correlation_id text_pattern_ops);

CREATE INDEX attempt_error_idx ON ONLY public.attempt USING btree (error_code, started_at) WHERE (error_code IS NOT NULL);

CREATE INDEX attempt_default_error_code_started_at_idx ON public.attempt_default USING btree (error_code, started_at) WHERE (error_code IS NOT NULL);

CREATE INDEX attempt_idempotency_idx ON ONLY public.attempt USING btree (idempotency_key text_pattern_ops) WHERE (idempotency_key IS NOT NULL);

CREATE INDEX attempt_default_idempotency_key_idx ON public.attempt_default USING btree (idempotency_key text_pattern_ops) WHERE (idempotency_key IS NOT NULL);

CREATE INDEX attempt_started_idx ON ONLY public.attempt USING brin (started_at) WITH (pages_per_range='32', autosummarize='on');

CREATE INDEX attempt_default_started_at_idx ON public.attempt_default USING brin (started_at) WITH (pages_per_range='32', autosummarize='on');

CREATE INDEX attempt_trace_idx ON ONLY public.attempt USING btree (substr(traceparent, 4, 32) text_pattern_ops) WHERE (traceparent IS NOT NULL);

CREATE INDEX attempt_default_substr_idx ON public.attempt_default USING btree (substr(traceparent, 4, 32) text_pattern_ops) WHERE (traceparent IS NOT NULL);

CREATE INDEX attempt_txid_idx ON ONLY public.attempt USING brin (txid) WITH (pages_per_range='128', autosummarize='on');

CREATE INDEX attempt_default_txid_idx ON public.attempt_default USING brin (txid) WITH (pages_per_range='128', autosummarize='on');

CREATE INDEX audit_event_account_idx ON public.audit_event USING btree (account_id, happened_at, id);

CREATE INDEX audit_event_correlation_idx ON public.audit_event USING btree (correlation_id text_pattern_ops);

CREATE INDEX audit_event_happened_idx ON public.audit_event USING btree (happened_at, id);

CREATE INDEX audit_event_subject_idx ON public.audit_event USING btree (subject_kind, subject_id, happened_at, id);

CREATE INDEX idempotency_key_expires_idx ON public.idempotency_key USING btree (expires_at);

CREATE INDEX quote_client_idx ON public.quote USING btree (agent_id, client_id, id) WHERE (client_id IS NOT NULL);

CREATE INDEX quote_due_idx ON public.quote USING btree (expires_at) WHERE (status = 'SENT'::text);

CREATE INDEX quote_status_idx ON public.quote USING btree (agent_id, status, id);

CREATE INDEX readiness_record_kind_idx ON public.readiness_record USING btree (kind, recorded_at, id);

CREATE INDEX readiness_record_release_idx ON public.readiness_record USING btree (release_id, kind, item_id, recorded_at, id);

CREATE INDEX sign_in_account_idx ON public.sign_in USING btree (account_id);

ALTER INDEX public.attempt_correlation_idx ATTACH PARTITION public.attempt_default_correlation_id_idx;

ALTER INDEX public.attempt_error_idx ATTACH PARTITION public.attempt_default_error_code_started_at_idx;

ALTER INDEX public.attempt_idempotency_idx ATTACH PARTITION public.attempt_default_idempotency_key_idx;

ALTER INDEX public.attempt_pkey ATTACH PARTITION public.attempt_default_pkey;

ALTER INDEX public.attempt_started_idx ATTACH PARTITION public.attempt_default_started_at_idx;

ALTER INDEX public.attempt_trace_idx ATTACH PARTITION public.attempt_default_substr_idx;

ALTER INDEX public.attempt_txid_idx ATTACH PARTITION public.attempt_default_txid_idx;

ALTER TABLE ONLY public.account_password
    ADD CONSTRAINT account_password_account_fkey FOREIGN KEY (account_id) REFERENCES public.account(id);

ALTER TABLE ONLY public.agent
    ADD CONSTRAINT agent_account_fkey FOREIGN KEY (account_id) REFERENCES public.account(id);

ALTER TABLE ONLY public.api_key
    ADD CONSTRAINT api_key_account_fkey FOREIGN KEY (account_id) REFERENCES public.account(id);

ALTER TABLE ONLY public.client
    ADD CONSTRAINT client_agent_fkey FOREIGN KEY (agent_id) REFERENCES public.agent(id);

ALTER TABLE ONLY public.quote
    ADD CONSTRAINT quote_agent_fkey FOREIGN KEY (agent_id) REFERENCES public.agent(id);

ALTER TABLE ONLY public.quote
    ADD CONSTRAINT quote_client_fkey FOREIGN KEY (agent_id, client_id) REFERENCES public.client(agent_id, id);

ALTER TABLE ONLY public.quote_number_block
    ADD CONSTRAINT quote_number_block_agent_fkey FOREIGN KEY (agent_id) REFERENCES public.agent(id);

ALTER TABLE ONLY public.quote_revision
    ADD CONSTRAINT quote_revision_quote_fkey FOREIGN KEY (agent_id, quote_id) REFERENCES public.quote(agent_id, id);

ALTER TABLE ONLY public.sign_in
    ADD CONSTRAINT sign_in_account_fkey FOREIGN KEY (account_id) REFERENCES public.account(id);

GRANT USAGE ON SCHEMA public TO saveguard_app;

GRANT ALL ON FUNCTION public.attempt_fault(operation smallint, outcome smallint, error_code smallint, correlation_id text) TO saveguard_app;

GRANT ALL ON FUNCTION public.quote_fault(q anyelement) TO saveguard_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.account TO saveguard_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.account_password TO saveguard_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.agent TO saveguard_app;

GRANT SELECT ON TABLE public.alembic_version TO saveguard_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.alert TO saveguard_app;

GRANT SELECT,INSERT ON TABLE public.alert_delivery TO saveguard_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.alert_heartbeat TO saveguard_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.alert_outbox TO saveguard_app;

GRANT SELECT,INSERT ON TABLE public.alert_rule_change TO saveguard_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.alert_silence TO saveguard_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.alert_state TO saveguard_app;

GRANT SELECT,INSERT,DELETE ON TABLE public.alert_tick TO saveguard_app;

GRANT SELECT,INSERT ON TABLE public.alert_transition TO saveguard_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.alert_watcher TO saveguard_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.api_key TO saveguard_app;

REVOKE ALL ON TABLE public.attempt FROM saveguard_owner;
GRANT SELECT,INSERT,REFERENCES,TRIGGER ON TABLE public.attempt TO saveguard_owner;
GRANT SELECT,INSERT ON TABLE public.attempt TO saveguard_app;

REVOKE ALL ON TABLE public.attempt_default FROM saveguard_owner;
GRANT SELECT,INSERT,REFERENCES,TRIGGER ON TABLE public.attempt_default TO saveguard_owner;
GRANT SELECT ON TABLE public.attempt_default TO saveguard_app;

GRANT SELECT,INSERT,DELETE ON TABLE public.attempt_queue TO saveguard_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.attempt_rollup TO saveguard_app;

REVOKE ALL ON TABLE public.audit_event FROM saveguard_owner;
GRANT SELECT,INSERT,REFERENCES,TRIGGER ON TABLE public.audit_event TO saveguard_owner;
GRANT SELECT,INSERT ON TABLE public.audit_event TO saveguard_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.client TO saveguard_app;

GRANT SELECT ON TABLE public.dropped_partition TO saveguard_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.edge_count TO saveguard_app;

GRANT SELECT,INSERT,DELETE ON TABLE public.idempotency_key TO saveguard_app;

GRANT SELECT ON TABLE public.installation TO saveguard_app;

GRANT SELECT,INSERT ON TABLE public.origin TO saveguard_app;

GRANT UPDATE(has_edge) ON TABLE public.origin TO saveguard_app;

GRANT SELECT ON TABLE public.ledger TO saveguard_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.limit_window TO saveguard_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.line_count TO saveguard_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.quote TO saveguard_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.quote_number_block TO saveguard_app;

REVOKE ALL ON TABLE public.quote_revision FROM saveguard_owner;
GRANT SELECT,INSERT,REFERENCES,TRIGGER ON TABLE public.quote_revision TO saveguard_owner;
GRANT SELECT,INSERT ON TABLE public.quote_revision TO saveguard_app;

REVOKE ALL ON TABLE public.readiness_record FROM saveguard_owner;
GRANT SELECT,INSERT,REFERENCES,TRIGGER ON TABLE public.readiness_record TO saveguard_owner;
GRANT SELECT,INSERT ON TABLE public.readiness_record TO saveguard_app;

REVOKE ALL ON TABLE public.readiness_seal FROM saveguard_owner;
GRANT SELECT,INSERT,REFERENCES,TRIGGER ON TABLE public.readiness_seal TO saveguard_owner;
GRANT SELECT,INSERT ON TABLE public.readiness_seal TO saveguard_app;

REVOKE ALL ON TABLE public.readiness_sealed FROM saveguard_owner;
GRANT SELECT,INSERT,REFERENCES,TRIGGER ON TABLE public.readiness_sealed TO saveguard_owner;
GRANT SELECT,INSERT ON TABLE public.readiness_sealed TO saveguard_app;

GRANT SELECT,UPDATE ON TABLE public.rollup_state TO saveguard_app;

REVOKE ALL ON TABLE public.schema_change FROM saveguard_owner;
GRANT SELECT,INSERT,REFERENCES,TRIGGER ON TABLE public.schema_change TO saveguard_owner;
GRANT SELECT ON TABLE public.schema_change TO saveguard_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.sign_in TO saveguard_app;
