-- +goose Up
-- Trunks that environments set up for themselves: settings as JSON, the secrets among
-- them sealed.
CREATE TABLE trunks (
    id TEXT COLLATE "C" NOT NULL,
    environment_id TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    settings TEXT COLLATE "C" NOT NULL,
    secrets TEXT COLLATE "C" NOT NULL,
    version BIGINT NOT NULL,
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY (environment_id) REFERENCES environments (id)
);
CREATE UNIQUE INDEX trunks_of_one_name ON trunks (environment_id, name);
CREATE INDEX trunks_by_name ON trunks (environment_id, name, id);
CREATE INDEX trunks_by_created ON trunks (environment_id, created, id);
CREATE INDEX trunks_by_updated ON trunks (environment_id, updated, id);
CREATE INDEX trunks_by_id ON trunks (environment_id, id);

-- +goose Down
DROP TABLE trunks;
