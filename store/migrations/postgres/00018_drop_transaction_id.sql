-- +goose Up
-- Distant pages are found by OFFSET; nothing asks which transaction added a call.
DROP INDEX calls_by_transaction_id;
ALTER TABLE calls DROP COLUMN transaction_id;

-- +goose Down
ALTER TABLE calls ADD COLUMN transaction_id BIGINT;
ALTER TABLE calls ALTER COLUMN transaction_id SET DEFAULT CAST(CAST(pg_current_xact_id() AS TEXT) AS BIGINT);
CREATE INDEX calls_by_transaction_id ON calls (environment_id, transaction_id);
