-- +goose Up
-- What an account keeps about a number, a JSON object; the orders of the list of
-- environments.
ALTER TABLE numbers ADD COLUMN config TEXT COLLATE "C" NOT NULL DEFAULT '{}';
CREATE INDEX environments_by_created ON environments (account_id, created, id);
CREATE INDEX environments_by_name ON environments (account_id, name, id);
CREATE INDEX environments_by_id ON environments (account_id, id);

-- +goose Down
DROP INDEX environments_by_id;
DROP INDEX environments_by_name;
DROP INDEX environments_by_created;
ALTER TABLE numbers DROP COLUMN config;
