-- +goose Up
-- The secrets of a call's snapshot, sealed with the environment's data key and bound to the row; '' once the call is over.
ALTER TABLE calls ADD COLUMN secrets TEXT COLLATE "C" NOT NULL DEFAULT '';
CREATE INDEX calls_by_secrets ON calls (environment_id, id) WHERE secrets <> '';

-- +goose Down
DROP INDEX calls_by_secrets;
ALTER TABLE calls DROP COLUMN secrets;
