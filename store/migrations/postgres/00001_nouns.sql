-- +goose Up
CREATE TABLE accounts (
    id TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    created BIGINT NOT NULL,
    PRIMARY KEY (id)
);

CREATE TABLE environments (
    id TEXT COLLATE "C" NOT NULL,
    account_id TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    default_agent_id TEXT COLLATE "C" NOT NULL,
    config_version BIGINT NOT NULL DEFAULT 0,
    created BIGINT NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY (account_id) REFERENCES accounts (id)
);

CREATE TABLE api_keys (
    id TEXT COLLATE "C" NOT NULL,
    environment_id TEXT COLLATE "C" NOT NULL,
    label TEXT COLLATE "C" NOT NULL,
    hint TEXT COLLATE "C" NOT NULL,
    hash TEXT COLLATE "C" NOT NULL,
    profile TEXT COLLATE "C" NOT NULL,
    created BIGINT NOT NULL,
    revoked BIGINT NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY (environment_id) REFERENCES environments (id),
    UNIQUE (hash)
);
CREATE INDEX api_keys_by_created ON api_keys (environment_id, created, id);

CREATE TABLE numbers (
    id TEXT COLLATE "C" NOT NULL,
    environment_id TEXT COLLATE "C" NOT NULL,
    number TEXT COLLATE "C" NOT NULL,
    active BOOLEAN NOT NULL,
    label TEXT COLLATE "C" NOT NULL,
    label_folded TEXT COLLATE "C" NOT NULL,
    description TEXT COLLATE "C" NOT NULL,
    inbound_agent_id TEXT COLLATE "C" NOT NULL,
    outbound_only BOOLEAN NOT NULL,
    example_context TEXT COLLATE "C" NOT NULL,
    provider TEXT COLLATE "C" NOT NULL,
    connection_id TEXT COLLATE "C" NOT NULL,
    tags TEXT COLLATE "C" NOT NULL,
    version BIGINT NOT NULL,
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY (environment_id) REFERENCES environments (id)
);
CREATE UNIQUE INDEX numbers_active ON numbers (number) WHERE active;
CREATE INDEX numbers_by_live ON numbers (environment_id, active, created, id);
CREATE INDEX numbers_by_live_updated ON numbers (environment_id, active, updated, id);
CREATE INDEX numbers_by_live_number ON numbers (environment_id, active, number, id);
CREATE INDEX numbers_by_live_label_folded ON numbers (environment_id, active, label_folded, id);
CREATE INDEX numbers_by_live_label ON numbers (environment_id, active, label);
CREATE INDEX numbers_by_live_id ON numbers (environment_id, active, id);
CREATE INDEX numbers_by_live_inbound_agent_id ON numbers (environment_id, active, inbound_agent_id);
CREATE INDEX numbers_by_live_provider ON numbers (environment_id, active, provider);
CREATE INDEX numbers_by_live_outbound_only ON numbers (environment_id, active, outbound_only);

CREATE TABLE prompts (
    id TEXT COLLATE "C" NOT NULL,
    environment_id TEXT COLLATE "C" NOT NULL,
    label TEXT COLLATE "C" NOT NULL,
    label_folded TEXT COLLATE "C" NOT NULL,
    description TEXT COLLATE "C" NOT NULL,
    content TEXT COLLATE "C" NOT NULL,
    context_endpoint TEXT COLLATE "C" NOT NULL,
    collect_fields TEXT COLLATE "C" NOT NULL,
    tags TEXT COLLATE "C" NOT NULL,
    version BIGINT NOT NULL,
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY (environment_id) REFERENCES environments (id)
);
CREATE INDEX prompts_by_label ON prompts (environment_id, label);
CREATE INDEX prompts_by_created ON prompts (environment_id, created, id);
CREATE INDEX prompts_by_updated ON prompts (environment_id, updated, id);
CREATE INDEX prompts_by_label_folded ON prompts (environment_id, label_folded, id);
CREATE INDEX prompts_by_id ON prompts (environment_id, id);

CREATE TABLE voices (
    id TEXT COLLATE "C" NOT NULL,
    environment_id TEXT COLLATE "C" NOT NULL,
    type TEXT COLLATE "C" NOT NULL,
    label TEXT COLLATE "C" NOT NULL,
    label_folded TEXT COLLATE "C" NOT NULL,
    description TEXT COLLATE "C" NOT NULL,
    config TEXT COLLATE "C" NOT NULL,
    built_in BOOLEAN NOT NULL,
    version BIGINT NOT NULL,
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY (environment_id) REFERENCES environments (id)
);
CREATE INDEX voices_by_label ON voices (environment_id, label);
CREATE INDEX voices_by_created ON voices (environment_id, created, id);
CREATE INDEX voices_by_updated ON voices (environment_id, updated, id);
CREATE INDEX voices_by_label_folded ON voices (environment_id, label_folded, id);
CREATE INDEX voices_by_type ON voices (environment_id, type, id);
CREATE INDEX voices_by_id ON voices (environment_id, id);

CREATE TABLE agents (
    id TEXT COLLATE "C" NOT NULL,
    environment_id TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    name_folded TEXT COLLATE "C" NOT NULL,
    label TEXT COLLATE "C" NOT NULL,
    label_folded TEXT COLLATE "C" NOT NULL,
    description TEXT COLLATE "C" NOT NULL,
    prompt_id TEXT COLLATE "C" NOT NULL,
    voice_id TEXT COLLATE "C" NOT NULL,
    action_ids TEXT COLLATE "C" NOT NULL,
    webhook_id TEXT COLLATE "C" NOT NULL,
    vector_database_id TEXT COLLATE "C" NOT NULL,
    language TEXT COLLATE "C" NOT NULL,
    initial_message TEXT COLLATE "C" NOT NULL,
    initial_message_delay BIGINT NOT NULL,
    interrupt_sensitivity TEXT COLLATE "C" NOT NULL,
    endpointing_sensitivity TEXT COLLATE "C" NOT NULL,
    ivr_navigation_mode TEXT COLLATE "C" NOT NULL,
    conversation_speed DOUBLE PRECISION NOT NULL,
    noise_suppression BOOLEAN NOT NULL,
    context_endpoint TEXT COLLATE "C" NOT NULL,
    ask_if_human_present_on_idle BOOLEAN NOT NULL,
    idle_time BIGINT NOT NULL,
    max_idle_checks BIGINT NOT NULL,
    call_duration BIGINT NOT NULL,
    enable_recording BOOLEAN NOT NULL,
    enable_dynamic_turns BOOLEAN NOT NULL,
    wait_for_greeting BOOLEAN NOT NULL,
    run_do_not_call BOOLEAN NOT NULL,
    provider TEXT COLLATE "C" NOT NULL,
    model TEXT COLLATE "C" NOT NULL,
    model_override TEXT COLLATE "C" NOT NULL,
    model_account TEXT COLLATE "C" NOT NULL,
    temperature DOUBLE PRECISION NOT NULL,
    extra TEXT COLLATE "C" NOT NULL,
    version BIGINT NOT NULL,
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY (environment_id) REFERENCES environments (id)
);
CREATE INDEX agents_by_created ON agents (environment_id, created, id);
CREATE INDEX agents_by_updated ON agents (environment_id, updated, id);
CREATE INDEX agents_by_label_folded ON agents (environment_id, label_folded, id);
CREATE INDEX agents_by_name_folded ON agents (environment_id, name_folded, id);
CREATE INDEX agents_by_language ON agents (environment_id, language);
CREATE INDEX agents_by_prompt_id ON agents (environment_id, prompt_id);
CREATE INDEX agents_by_voice_id ON agents (environment_id, voice_id);
CREATE INDEX agents_by_label ON agents (environment_id, label);
CREATE INDEX agents_by_name ON agents (environment_id, name);
CREATE INDEX agents_by_id ON agents (environment_id, id);

CREATE TABLE calls (
    id TEXT COLLATE "C" NOT NULL,
    environment_id TEXT COLLATE "C" NOT NULL,
    status TEXT COLLATE "C" NOT NULL,
    terminal BOOLEAN NOT NULL,
    stage TEXT COLLATE "C" NOT NULL,
    outcome TEXT COLLATE "C" NOT NULL,
    outgoing BOOLEAN NOT NULL,
    from_number TEXT COLLATE "C" NOT NULL,
    to_number TEXT COLLATE "C" NOT NULL,
    agent_number TEXT COLLATE "C" NOT NULL,
    agent_id TEXT COLLATE "C" NOT NULL,
    provider TEXT COLLATE "C" NOT NULL,
    connection_id TEXT COLLATE "C" NOT NULL,
    carrier_id TEXT COLLATE "C" NOT NULL,
    snapshot TEXT COLLATE "C" NOT NULL,
    context TEXT COLLATE "C" NOT NULL,
    params TEXT COLLATE "C" NOT NULL,
    on_no_human TEXT COLLATE "C" NOT NULL,
    hipaa BOOLEAN NOT NULL,
    run_do_not_call BOOLEAN NOT NULL,
    recording_path TEXT COLLATE "C" NOT NULL,
    transcript TEXT COLLATE "C" NOT NULL,
    error_message TEXT COLLATE "C" NOT NULL,
    errors TEXT COLLATE "C" NOT NULL,
    end_reason TEXT COLLATE "C" NOT NULL,
    start_sort BIGINT NOT NULL,
    created BIGINT NOT NULL,
    started BIGINT NOT NULL,
    ended BIGINT NOT NULL,
    node TEXT COLLATE "C" NOT NULL,
    lease BIGINT NOT NULL,
    version BIGINT NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY (environment_id) REFERENCES environments (id)
);
CREATE INDEX calls_by_created ON calls (environment_id, created, id);
CREATE INDEX calls_by_start_sort ON calls (environment_id, start_sort, id);
CREATE INDEX calls_by_ended ON calls (environment_id, ended, id);
CREATE INDEX calls_by_from_number ON calls (environment_id, from_number, id);
CREATE INDEX calls_by_to_number ON calls (environment_id, to_number, id);
CREATE INDEX calls_by_status ON calls (environment_id, status, created, id);
CREATE INDEX calls_by_outcome ON calls (environment_id, outcome, created, id);
CREATE INDEX calls_by_agent_id ON calls (environment_id, agent_id, created, id);
CREATE INDEX calls_by_agent_number ON calls (environment_id, agent_number, created, id);
CREATE INDEX calls_by_outgoing ON calls (environment_id, outgoing, created, id);
CREATE INDEX calls_by_carrier_id ON calls (environment_id, carrier_id);
CREATE INDEX calls_by_id ON calls (environment_id, id);
CREATE INDEX calls_terminal_lease ON calls (terminal, lease, id);

CREATE TABLE dial_intents (
    id TEXT COLLATE "C" NOT NULL,
    environment_id TEXT COLLATE "C" NOT NULL,
    call_id TEXT COLLATE "C" NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    fence BIGINT NOT NULL,
    lease BIGINT NOT NULL DEFAULT 0,
    not_after BIGINT NOT NULL,
    created BIGINT NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY (call_id) REFERENCES calls (id),
    UNIQUE (call_id)
);
CREATE INDEX dial_intents_state_lease ON dial_intents (state, lease, id);
CREATE INDEX dial_intents_state_created ON dial_intents (state, created, id);

CREATE TABLE events (
    call_id TEXT COLLATE "C" NOT NULL,
    environment_id TEXT COLLATE "C" NOT NULL,
    sequence BIGINT NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    happened BIGINT NOT NULL,
    call_offset BIGINT NOT NULL,
    text TEXT COLLATE "C" NOT NULL,
    data TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (call_id, sequence),
    FOREIGN KEY (call_id) REFERENCES calls (id)
);

-- +goose Down
DROP TABLE events;
DROP TABLE dial_intents;
DROP TABLE calls;
DROP TABLE agents;
DROP TABLE voices;
DROP TABLE prompts;
DROP TABLE numbers;
DROP TABLE api_keys;
DROP TABLE environments;
DROP TABLE accounts;
