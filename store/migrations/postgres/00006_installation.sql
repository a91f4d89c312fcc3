-- +goose Up
-- Values that belong to the installation as a whole and to no environment.
CREATE TABLE installation (
    name TEXT COLLATE "C" NOT NULL,
    value TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (name)
);

-- +goose Down
DROP TABLE installation;
