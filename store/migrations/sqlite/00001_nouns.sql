-- +goose Up
CREATE TABLE accounts (
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    created INTEGER NOT NULL,
    PRIMARY KEY (id)
);

CREATE TABLE environments (
    id TEXT NOT NULL,
    account_id TEXT NOT NULL,
    name TEXT NOT NULL,
    default_agent_id TEXT NOT NULL,
    config_version INTEGER NOT NULL DEFAULT 0,
    created INTEGER NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY (account_id) REFERENCES accounts (id)
);

CREATE TABLE api_keys (
    id TEXT NOT NULL,
    environment_id TEXT NOT NULL,
    label TEXT NOT NULL,
    hint TEXT NOT NULL,
    hash TEXT NOT NULL,
    profile TEXT NOT NULL,
    created INTEGER NOT NULL,
    revoked INTEGER NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY (environment_id) REFERENCES environments (id),
    UNIQUE (hash)
);
CREATE INDEX api_keys_by_created ON api_keys (environment_id, created, id);

CREATE TABLE numbers (
    id TEXT NOT NULL,
    environment_id TEXT NOT NULL,
    number TEXT NOT NULL,
    active BOOLEAN NOT NULL,
    label TEXT NOT NULL,
    label_folded TEXT NOT NULL,
    description TEXT NOT NULL,
    inbound_agent_id TEXT NOT NULL,
    outbound_only BOOLEAN NOT NULL,
    example_context TEXT NOT NULL,
    provider TEXT NOT NULL,
    connection_id TEXT NOT NULL,
    tags TEXT NOT NULL,
    version INTEGER NOT NULL,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL,
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
    id TEXT NOT NULL,
    environment_id TEXT NOT NULL,
    label TEXT NOT NULL,
    label_folded TEXT NOT NULL,
    description TEXT NOT NULL,
    content TEXT NOT NULL,
    context_endpoint TEXT NOT NULL,
    collect_fields TEXT NOT NULL,
    tags TEXT NOT NULL,
    version INTEGER NOT NULL,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY (environment_id) REFERENCES environments (id)
);
CREATE INDEX prompts_by_label ON prompts (environment_id, label);
CREATE INDEX prompts_by_created ON prompts (environment_id, created, id);
CREATE INDEX prompts_by_updated ON prompts (environment_id, updated, id);
CREATE INDEX prompts_by_label_folded ON prompts (environment_id, label_folded, id);
CREATE INDEX prompts_by_id ON prompts (environment_id, id);

CREATE TABLE voices (
    id TEXT NOT NULL,
    environment_id TEXT NOT NULL,
    type TEXT NOT NULL,
    label TEXT NOT NULL,
    label_folded TEXT NOT NULL,
    description TEXT NOT NULL,
    config TEXT NOT NULL,
    built_in BOOLEAN NOT NULL,
    version INTEGER NOT NULL,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL,
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
    id TEXT NOT NULL,
    environment_id TEXT NOT NULL,
    name TEXT NOT NULL,
    name_folded TEXT NOT NULL,
    label TEXT NOT NULL,
    label_folded TEXT NOT NULL,
    description TEXT NOT NULL,
    prompt_id TEXT NOT NULL,
    voice_id TEXT NOT NULL,
    action_ids TEXT NOT NULL,
    webhook_id TEXT NOT NULL,
    vector_database_id TEXT NOT NULL,
    language TEXT NOT NULL,
    initial_message TEXT NOT NULL,
    initial_message_delay INTEGER NOT NULL,
    interrupt_sensitivity TEXT NOT NULL,
    endpointing_sensitivity TEXT NOT NULL,
    ivr_navigation_mode TEXT NOT NULL,
    conversation_speed REAL NOT NULL,
    noise_suppression BOOLEAN NOT NULL,
    context_endpoint TEXT NOT NULL,
    ask_if_human_present_on_idle BOOLEAN NOT NULL,
    idle_time INTEGER NOT NULL,
    max_idle_checks INTEGER NOT NULL,
    call_duration INTEGER NOT NULL,
    enable_recording BOOLEAN NOT NULL,
    enable_dynamic_turns BOOLEAN NOT NULL,
    wait_for_greeting BOOLEAN NOT NULL,
    run_do_not_call BOOLEAN NOT NULL,
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    model_override TEXT NOT NULL,
    model_account TEXT NOT NULL,
    temperature REAL NOT NULL,
    extra TEXT NOT NULL,
    version INTEGER NOT NULL,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL,
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
    id TEXT NOT NULL,
    environment_id TEXT NOT NULL,
    status TEXT NOT NULL,
    terminal BOOLEAN NOT NULL,
    stage TEXT NOT NULL,
    outcome TEXT NOT NULL,
    outgoing BOOLEAN NOT NULL,
    from_number TEXT NOT NULL,
    to_number TEXT NOT NULL,
    agent_number TEXT NOT NULL,
    agent_id TEXT NOT NULL,
    provider TEXT NOT NULL,
    connection_id TEXT NOT NULL,
    carrier_id TEXT NOT NULL,
    snapshot TEXT NOT NULL,
    context TEXT NOT NULL,
    params TEXT NOT NULL,
    on_no_human TEXT NOT NULL,
    hipaa BOOLEAN NOT NULL,
    run_do_not_call BOOLEAN NOT NULL,
    recording_path TEXT NOT NULL,
    transcript TEXT NOT NULL,
    error_message TEXT NOT NULL,
    errors TEXT NOT NULL,
    end_reason TEXT NOT NULL,
    start_sort INTEGER NOT NULL,
    created INTEGER NOT NULL,
    started INTEGER NOT NULL,
    ended INTEGER NOT NULL,
    node TEXT NOT NULL,
    lease INTEGER NOT NULL,
    version INTEGER NOT NULL,
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
    id TEXT NOT NULL,
    environment_id TEXT NOT NULL,
    call_id TEXT NOT NULL,
    state TEXT NOT NULL,
    fence INTEGER NOT NULL,
    lease INTEGER NOT NULL DEFAULT 0,
    not_after INTEGER NOT NULL,
    created INTEGER NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY (call_id) REFERENCES calls (id),
    UNIQUE (call_id)
);
CREATE INDEX dial_intents_state_lease ON dial_intents (state, lease, id);
CREATE INDEX dial_intents_state_created ON dial_intents (state, created, id);

CREATE TABLE events (
    call_id TEXT NOT NULL,
    environment_id TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    kind TEXT NOT NULL,
    happened INTEGER NOT NULL,
    call_offset INTEGER NOT NULL,
    text TEXT NOT NULL,
    data TEXT NOT NULL,
    PRIMARY KEY (call_id, sequence),
    FOREIGN KEY (call_id) REFERENCES calls (id)
) WITHOUT ROWID;

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
