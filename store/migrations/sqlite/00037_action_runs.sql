-- +goose Up
-- One run of an action that does something outside of the server: there before anything is sent, and settled before
-- anybody is told. id is the key that goes with the request.
CREATE TABLE action_runs (
    id TEXT NOT NULL,
    environment_id TEXT NOT NULL,
    call_id TEXT NOT NULL,
    action_id TEXT NOT NULL,
    name TEXT NOT NULL,
    tool_id TEXT NOT NULL,
    digest TEXT NOT NULL,
    repeatable BOOLEAN NOT NULL,
    state TEXT NOT NULL,
    result TEXT NOT NULL,
    begun INTEGER NOT NULL,
    settled INTEGER NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY (environment_id) REFERENCES environments (id)
);
CREATE INDEX action_runs_by_call ON action_runs (environment_id, call_id, begun, id);
CREATE INDEX action_runs_by_time ON action_runs (environment_id, begun);

-- +goose Down
DROP TABLE action_runs;
