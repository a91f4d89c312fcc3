-- +goose Up
CREATE TABLE data_keys (
    environment_id TEXT COLLATE "C" NOT NULL,
    version BIGINT NOT NULL,
    wrapped TEXT COLLATE "C" NOT NULL,
    created BIGINT NOT NULL,
    PRIMARY KEY (environment_id, version),
    FOREIGN KEY (environment_id) REFERENCES environments (id)
);

-- +goose Down
DROP TABLE data_keys;
