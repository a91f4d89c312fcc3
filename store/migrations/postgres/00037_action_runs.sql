-- +goose Up
-- One run of an action that does something outside of the server: there before anything is sent, and settled before
-- anybody is told. id is the key that goes with the request.
CREATE TABLE action_runs (
    id TEXT COLLATE "C" NOT NULL,
    environment_id TEXT COLLATE "C" NOT NULL,
    call_id TEXT COLLATE "C" NOT NULL,
    action_id TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    tool_id TEXT COLLATE "C" NOT NULL,
    digest TEXT COLLATE "C" NOT NULL,
    repeatable BOOLEAN NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    result TEXT COLLATE "C" NOT NULL,
    begun BIGINT NOT NULL,
    settled BIGINT NOT NULL,
    version BIGINT NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY (environment_id) REFERENCES environments (id)
);
CREATE INDEX action_runs_by_call ON action_runs (environment_id, call_id, begun, id);
CREATE INDEX action_runs_by_time ON action_runs (environment_id, begun);

-- +goose Down
DROP TABLE action_runs;
