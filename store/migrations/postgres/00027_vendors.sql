-- +goose Up
-- Whom agents that name none use, and who takes over.
ALTER TABLE environments ADD COLUMN default_model TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE environments ADD COLUMN default_voice TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE environments ADD COLUMN default_transcriber TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE environments ADD COLUMN fallback_model TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE environments ADD COLUMN fallback_voice TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE environments ADD COLUMN fallback_transcriber TEXT COLLATE "C" NOT NULL DEFAULT '';
-- The account connection of its type that agents without one of their own use. Those
-- that were the only ones of their type are.
ALTER TABLE connections ADD COLUMN is_default BOOLEAN NOT NULL DEFAULT false;
-- What its vendor said last.
ALTER TABLE connections ADD COLUMN state TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE connections ADD COLUMN state_cause TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE connections ADD COLUMN state_since BIGINT NOT NULL DEFAULT 0;
UPDATE connections SET is_default = true WHERE NOT EXISTS (
    SELECT 1 FROM connections o WHERE o.environment_id = connections.environment_id AND o.type = connections.type AND o.id <> connections.id);

-- +goose Down
ALTER TABLE environments DROP COLUMN default_model;
ALTER TABLE environments DROP COLUMN default_voice;
ALTER TABLE environments DROP COLUMN default_transcriber;
ALTER TABLE environments DROP COLUMN fallback_model;
ALTER TABLE environments DROP COLUMN fallback_voice;
ALTER TABLE environments DROP COLUMN fallback_transcriber;
ALTER TABLE connections DROP COLUMN is_default;
ALTER TABLE connections DROP COLUMN state;
ALTER TABLE connections DROP COLUMN state_cause;
ALTER TABLE connections DROP COLUMN state_since;
